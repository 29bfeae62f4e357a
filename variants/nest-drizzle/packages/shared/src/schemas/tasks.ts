import { z } from 'zod';
import { TASK_STATUSES, TASK_TYPES } from '../constants.js';
import { id, instant, pageOf, pageQuery, plainText, version } from './common.js';

/** Free members of a task, at most 8 KiB as JSON. */
export const metadata = z
  .record(z.string().max(100), z.unknown() as z.ZodType<z.core.util.JSONType>)
  .refine((value) => JSON.stringify(value).length <= 8_192, {
    message: 'must be at most 8192 characters as JSON',
  });

const members = {
  projectId: id,
  title: plainText(1, 200),
  type: z.enum(TASK_TYPES),
  status: z.enum(TASK_STATUSES),
  assigneeId: id.nullable().meta({ description: 'a member of the tenant' }),
  dueAt: instant.nullable(),
  metadata,
};

export const createTask = z
  .strictObject({
    ...members,
    status: members.status.default('open'),
    assigneeId: members.assigneeId.default(null),
    dueAt: members.dueAt.default(null),
    metadata: members.metadata.default({}),
  })
  .meta({ id: 'CreateTask' });

export const updateTask = z.strictObject(members).partial().meta({ id: 'UpdateTask' });

export const task = z
  .object({ id, ...members, title: z.string(), version, createdAt: instant, updatedAt: instant })
  .meta({ id: 'Task' });

export const listTasks = pageQuery.extend({
  projectId: id.optional(),
  assigneeId: id.optional(),
  status: members.status.optional(),
  type: members.type.optional(),
});

export const taskPage = pageOf(task).meta({ id: 'TaskPage' });

export type CreateTask = z.output<typeof createTask>;
export type UpdateTask = z.output<typeof updateTask>;
export type Task = z.output<typeof task>;
export type ListTasks = z.output<typeof listTasks>;
