export * from './errors/sql-state.js';
export * from './expiry-database.js';
export * from './identity-database.js';
export * from './pool.js';
export * from './relay-database.js';
export * from './schema/index.js';
export * from './tenant-database.js';
export type { TenantContext } from './tenant-query.js';
