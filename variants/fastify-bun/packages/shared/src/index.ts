export * from './schemas/common.js';
