import { TASK_STATUSES, TASK_TYPES } from '@app/shared';
import { sql } from 'drizzle-orm';
import {
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgEnum,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { tenantColumns, timestamps } from './columns.js';
import { memberships, tenants } from './identity.js';
import { tenantPolicies } from './tenancy.js';

export const taskTypeEnum = pgEnum('task_type', TASK_TYPES);
export const taskStatusEnum = pgEnum('task_status', TASK_STATUSES);

export const projects = pgTable(
  'projects',
  {
    ...tenantColumns,
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    version: integer('version').notNull().default(1),
    deletedAt: timestamp('deleted_at', { withTimezone: true, precision: 3 }),
    ...timestamps,
  },
  (table) => [
    primaryKey({ name: 'projects_pkey', columns: [table.tenantId, table.id] }),
    foreignKey({ name: 'projects_tenant_fkey', columns: [table.tenantId], foreignColumns: [tenants.id] }),
    // A deleted project gives its name free.
    uniqueIndex('projects_name_key').on(table.tenantId, table.name).where(sql`deleted_at IS NULL`),
    index('projects_created_at_idx')
      .on(table.tenantId, table.createdAt, table.id)
      .where(sql`deleted_at IS NULL`),
    ...tenantPolicies('projects', table.tenantId),
  ],
).enableRLS();

/** What has happened in a project, counted by whoever listens to its events. */
export const projectStats = pgTable(
  'project_stats',
  {
    tenantId: tenantColumns.tenantId,
    projectId: uuid('project_id').notNull(),
    tasksCreated: integer('tasks_created').notNull().default(0),
    tasksDeleted: integer('tasks_deleted').notNull().default(0),
    ...timestamps,
  },
  (table) => [
    primaryKey({ name: 'project_stats_pkey', columns: [table.tenantId, table.projectId] }),
    foreignKey({
      name: 'project_stats_project_fkey',
      columns: [table.tenantId, table.projectId],
      foreignColumns: [projects.tenantId, projects.id],
    }),
    ...tenantPolicies('project_stats', table.tenantId),
  ],
).enableRLS();

export const tasks = pgTable(
  'tasks',
  {
    ...tenantColumns,
    projectId: uuid('project_id').notNull(),
    title: text('title').notNull(),
    type: taskTypeEnum('type').notNull(),
    status: taskStatusEnum('status').notNull(),
    assigneeId: uuid('assignee_id'),
    dueAt: timestamp('due_at', { withTimezone: true, precision: 3 }),
    metadata: jsonb('metadata').$type<Record<string, unknown>>().notNull().default({}),
    version: integer('version').notNull().default(1),
    ...timestamps,
  },
  (table) => [
    primaryKey({ name: 'tasks_pkey', columns: [table.tenantId, table.id] }),
    // Both name the tenant: a plain reference by id would take another tenant's row.
    foreignKey({
      name: 'tasks_project_fkey',
      columns: [table.tenantId, table.projectId],
      foreignColumns: [projects.tenantId, projects.id],
    }),
    foreignKey({
      name: 'tasks_assignee_fkey',
      columns: [table.tenantId, table.assigneeId],
      foreignColumns: [memberships.tenantId, memberships.userId],
    }),
    index('tasks_created_at_idx').on(table.tenantId, table.createdAt, table.id),
    index('tasks_project_idx').on(table.tenantId, table.projectId, table.createdAt, table.id),
    index('tasks_assignee_idx').on(table.tenantId, table.assigneeId, table.createdAt, table.id),
    check('tasks_metadata_is_object', sql`jsonb_typeof(metadata) = 'object'`),
    ...tenantPolicies('tasks', table.tenantId),
  ],
).enableRLS();
