import type { Customer, Tracking, TrackingSetup } from '../../generated/prisma/client.js';
import type { SetupStep, TrackingOperation } from '../../generated/prisma/enums.js';

/** Names at Google of what a step has made, e.g. `workspacePath`. */
export type Resources = Readonly<Record<string, string>>;

/** What Google has, or is to have, of a tracking. */
export type Target = Pick<Tracking, 'id' | 'name' | 'kind' | 'selector'> & { readonly isPaused: boolean };

/** What a step works on. */
export interface StepContext {
  readonly setup: TrackingSetup;
  readonly customer: Customer;
  /** What Google has before the operation; undefined: nothing. */
  readonly before: Target | undefined;
  /** What Google has after the operation; undefined: nothing. */
  readonly after: Target | undefined;
  /** The name of the workspace at Google: the same in every attempt, so that an earlier one is found. */
  readonly name: string;
  /** What a step has made so far. An UPDATE and a DELETE begin with what the operation before them has made. */
  made(step: SetupStep): Resources;
  /** Keeps what this step has made so far, should it not come to its end. */
  note(resources: Resources): Promise<void>;
}

/**
 * One step of an operation. It may run several times, also at once, and is done once: it finds what is there already, and brings
 * it in line. What it throws decides what follows: see `judge` in jobs/verdict.ts.
 */
export interface SetupStepHandler {
  readonly step: SetupStep;
  /** Brings Google in line with `after`. @returns what it has made */
  run(context: StepContext): Promise<Resources>;
  /** Brings Google in line with `before`, whatever it has changed, or may have changed before it failed. */
  undo(context: StepContext): Promise<void>;
}

/**
 * The steps of an operation in the order in which they are taken. Google Ads never brings back what was removed, so a deletion
 * removes last, when nothing else can fail any more.
 */
export function inOrder<Item extends { readonly step: SetupStep }>(
  steps: readonly Item[],
  operation: TrackingOperation,
): readonly Item[] {
  if (operation !== 'DELETE') return steps;
  const isLast = ({ step }: Item) => step === 'CONVERSION_ACTION';
  return [...steps.filter((step) => !isLast(step)), ...steps.filter(isLast)];
}

/** Google's limit for names is near; what is cut off here is only for people to read. In UTF-16 code units. */
const READABLE = 60;

/** What people see at Google, with the id of the tracking, by which it is found though the name has changed. */
export function googleName({ id, name }: Target): string {
  return `${name.slice(0, READABLE).toWellFormed().trim()} (${id})`;
}
