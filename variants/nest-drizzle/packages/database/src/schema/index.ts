export * from './identity.js';
export * from './messaging.js';
export * from './work.js';
