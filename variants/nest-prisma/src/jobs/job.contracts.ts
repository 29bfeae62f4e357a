import { z } from 'zod';
import { SetupStep } from '../generated/prisma/enums.js';

/** What every job carries. A job without an organization is refused. */
const forOrganization = z.strictObject({
  organizationId: z.uuid(),
  /** Of the request that it comes from. */
  requestId: z.string().max(200).optional(),
  /** W3C's trace context of whoever asked for it. */
  traceparent: z.string().optional(),
});

const ofSetup = forOrganization.extend({ setupId: z.uuid(), attempt: z.int().min(1) });

/** Every job, by name, with what it needs. */
export const JOBS = {
  setUpStep: ofSetup.extend({ step: z.enum(SetupStep) }),
  compensateSetup: ofSetup,
  syncConnection: forOrganization.extend({ connectionId: z.uuid() }),
} as const;

export type JobName = keyof typeof JOBS;
export type JobData<Name extends JobName> = z.output<(typeof JOBS)[Name]>;

/** A job's name with its data. */
export type AnyJob = { [Name in JobName]: { readonly name: Name; readonly data: JobData<Name> } }[JobName];

/** @throws Error that says what of the job is not as its contract has it */
export function parseJob(name: string, data: unknown): AnyJob {
  if (!Object.hasOwn(JOBS, name)) throw new Error(`there is no job ${name}`);
  const result = JOBS[name as JobName].safeParse(data);
  if (!result.success) throw new Error(`${name}: ${z.prettifyError(result.error)}`);
  return { name, data: result.data } as AnyJob;
}
