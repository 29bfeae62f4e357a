export * from './constants.js';
export * from './errors/codes.js';
export * from './events/contracts.js';
export * from './schemas/auth.js';
export * from './schemas/common.js';
export * from './schemas/projects.js';
export * from './schemas/tasks.js';
