import { z } from 'zod';

/** What every job carries. A job without a tenant is refused. */
const forTenant = z.strictObject({ tenantId: z.uuid(), traceparent: z.string().optional() });

/** The jobs of the `tasks` queue, by name, with what each needs. */
export const JOBS = {
  exportProject: forTenant.extend({ exportId: z.uuid() }),
  remindOfTask: forTenant.extend({ taskId: z.uuid(), dueAt: z.iso.datetime({ offset: true }) }),
} as const;

export type JobName = keyof typeof JOBS;
export type JobData<Name extends JobName> = z.output<(typeof JOBS)[Name]>;
