import {
  foreignKey,
  PgDialect,
  type PgTable,
  pgTable,
  primaryKey,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import { notDeleted } from '../src/not-deleted.js';
import { memberships, projects, tasks } from '../src/schema/index.js';

const id = { tenantId: uuid('tenant_id').notNull(), id: uuid('id').notNull() };
const deletedAt = timestamp('deleted_at');

const comments = pgTable('comments', { ...id, taskId: uuid('task_id').notNull() }, (table) => [
  primaryKey({ columns: [table.tenantId, table.id] }),
  foreignKey({ columns: [table.tenantId, table.taskId], foreignColumns: [tasks.tenantId, tasks.id] }),
]);

const notes = pgTable('notes', { ...id, projectId: uuid('project_id'), deletedAt }, (table) => [
  foreignKey({
    columns: [table.tenantId, table.projectId],
    foreignColumns: [projects.tenantId, projects.id],
  }),
]);

const folders = pgTable('folders', { ...id, parentId: uuid('parent_id').notNull(), deletedAt }, (table) => [
  foreignKey({ columns: [table.tenantId, table.parentId], foreignColumns: [table.tenantId, table.id] }),
]);

function sqlOf(table: PgTable): string | undefined {
  const condition = notDeleted(table);
  return condition === undefined ? undefined : new PgDialect().sqlToQuery(condition).sql;
}

describe('a row is there', () => {
  it.each([
    ['always, if nothing can be deleted', memberships, undefined],
    ['until it is deleted', projects, '"projects"."deleted_at" is null'],
    [
      'until its project is deleted',
      tasks,
      'EXISTS (SELECT FROM "projects" WHERE ("projects"."tenant_id" = "tasks"."tenant_id" and "projects"."id" = "tasks"."project_id" and "projects"."deleted_at" is null))',
    ],
    [
      'until what its parent requires is deleted',
      comments,
      'EXISTS (SELECT FROM "tasks" WHERE ("tasks"."tenant_id" = "comments"."tenant_id" and "tasks"."id" = "comments"."task_id" and EXISTS (SELECT FROM "projects" WHERE ("projects"."tenant_id" = "tasks"."tenant_id" and "projects"."id" = "tasks"."project_id" and "projects"."deleted_at" is null))))',
    ],
    [
      'until its project is deleted, if it has one',
      notes,
      '("notes"."deleted_at" is null and ("notes"."project_id" is null or EXISTS (SELECT FROM "projects" WHERE ("projects"."tenant_id" = "notes"."tenant_id" and "projects"."id" = "notes"."project_id" and "projects"."deleted_at" is null))))',
    ],
    ['whatever it refers to in its own table', folders, '"folders"."deleted_at" is null'],
  ])('%s', (_when, table: PgTable, sql) => {
    expect(sqlOf(table)).toBe(sql);
  });
});
