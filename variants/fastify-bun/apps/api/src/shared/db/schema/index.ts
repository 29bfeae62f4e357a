export * from './auth.js';
export * from './chat.js';
export * from './idempotency.js';
export * from './providers.js';
