export * from './auth.js';
export * from './providers.js';
