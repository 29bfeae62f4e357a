import { EXPORT_STATUSES, type ExportContent } from '@app/shared';
import {
  foreignKey,
  index,
  json,
  pgEnum,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';
import { tenantColumns, timestamps } from './columns.js';
import { expiryPolicies, tenantPolicies } from './tenancy.js';
import { projects, tasks } from './work.js';

export const exportStatusEnum = pgEnum('export_status', EXPORT_STATUSES);

/** Exports of projects: asked for in a request, made by a job. */
export const projectExports = pgTable(
  'exports',
  {
    ...tenantColumns,
    projectId: uuid('project_id').notNull(),
    status: exportStatusEnum('status').notNull(),
    content: json('content').$type<ExportContent>(),
    /** Why it failed, in words for the log. */
    error: text('error'),
    ...timestamps,
  },
  (table) => [
    primaryKey({ name: 'exports_pkey', columns: [table.tenantId, table.id] }),
    foreignKey({
      name: 'exports_project_fkey',
      columns: [table.tenantId, table.projectId],
      foreignColumns: [projects.tenantId, projects.id],
    }),
    index('exports_project_idx').on(table.tenantId, table.projectId),
    ...tenantPolicies('exports', table.tenantId),
    ...expiryPolicies('exports', table.createdAt),
  ],
).enableRLS();

/** Reminders that were given: one per task and date, however often the job runs. */
export const reminders = pgTable(
  'reminders',
  {
    tenantId: tenantColumns.tenantId,
    taskId: uuid('task_id').notNull(),
    dueAt: timestamp('due_at', { withTimezone: true, precision: 3 }).notNull(),
    createdAt: timestamps.createdAt,
  },
  (table) => [
    primaryKey({ name: 'reminders_pkey', columns: [table.tenantId, table.taskId, table.dueAt] }),
    foreignKey({
      name: 'reminders_task_fkey',
      columns: [table.tenantId, table.taskId],
      foreignColumns: [tasks.tenantId, tasks.id],
    }).onDelete('cascade'),
    ...tenantPolicies('reminders', table.tenantId),
  ],
).enableRLS();
