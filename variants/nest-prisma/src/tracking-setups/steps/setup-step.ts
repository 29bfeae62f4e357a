import type { Customer, Tracking, TrackingSetup } from '../../generated/prisma/client.js';
import type { SetupStep } from '../../generated/prisma/enums.js';

/** Names at Google of what a step has made, e.g. `workspacePath`. */
export type Resources = Readonly<Record<string, string>>;

/** What a step works on. */
export interface StepContext {
  readonly setup: TrackingSetup;
  readonly tracking: Tracking;
  readonly customer: Customer;
  /** What things are called at Google: the same in every attempt, so that what is there already is found. */
  readonly name: string;
  /** What a step has made so far. */
  made(step: SetupStep): Resources;
  /** Keeps what this step has made so far, should it not come to its end. */
  note(resources: Resources): Promise<void>;
}

/**
 * One step of a set-up. It may run several times, also at once, and is done once: what it makes it finds again by its name.
 * What it throws decides what follows: see `judge` in jobs/verdict.ts.
 */
export interface SetupStepHandler {
  readonly step: SetupStep;
  /** @returns what it has made */
  run(context: StepContext): Promise<Resources>;
  /** Takes away what it has made, or may have made before it failed. What is not there is taken away. */
  undo(context: StepContext): Promise<void>;
}

/** What an earlier step has made. */
export function needed(context: StepContext, step: SetupStep, resource: string): string {
  const value = context.made(step)[resource];
  if (value === undefined) throw new Error(`${step} has left no ${resource}`);
  return value;
}
