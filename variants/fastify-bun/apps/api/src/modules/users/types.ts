import type { users } from '../../shared/db/schema/index.js';

export type UserRow = typeof users.$inferSelect;
