import { z } from 'zod';
import { project } from '../schemas/projects.js';
import { task } from '../schemas/tasks.js';

/** What a kind of event promises to whoever listens. A change that breaks it is a new version beside this one. */
export interface EventContract<Data extends z.ZodType = z.ZodType> {
  /** The `type` of CloudEvents, and a part of the subject. */
  readonly type: string;
  readonly version: number;
  readonly data: Data;
}

const contract = <Data extends z.ZodType>(
  type: string,
  version: number,
  data: Data,
): EventContract<Data> => ({
  type,
  version,
  data,
});

export const EVENTS = {
  projectCreated: contract('project.created', 1, project),
  projectUpdated: contract('project.updated', 1, project),
  projectDeleted: contract('project.deleted', 1, project.pick({ id: true })),
  taskCreated: contract('task.created', 1, task),
  taskUpdated: contract('task.updated', 1, task),
  taskDeleted: contract('task.deleted', 1, task.pick({ id: true, projectId: true })),
  taskDue: contract('task.due', 1, task.pick({ id: true, projectId: true, assigneeId: true, dueAt: true })),
} as const;

/** The attributes of CloudEvents 1.0 (JSON format), with the tenant as an extension. */
export const envelope = z.object({
  specversion: z.literal('1.0'),
  id: z.uuid(),
  source: z.string(),
  type: z.string(),
  subject: z.string().optional(),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  tenantid: z.uuid(),
  traceparent: z.string().optional(),
  data: z.unknown(),
});

export type Envelope = z.output<typeof envelope>;

/** `events.<type>.v<version>.<tenant>`: consumers may filter by any of them. */
export function subjectOf(contract: EventContract, tenantId: string): string {
  return `events.${contract.type}.v${contract.version}.${tenantId}`;
}
