import { customType, timestamp, uuid } from 'drizzle-orm/pg-core';

/** Bytes, which Drizzle has no column for. */
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** The columns that every table of a tenant has. Its primary key is (tenant_id, id), so that foreign keys name the tenant. */
export const tenantColumns = {
  tenantId: uuid('tenant_id').notNull(),
  id: uuid('id').notNull(),
};

export const timestamps = {
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
};
