export * from './schemas/common.js';
export * from './schemas/users.js';
