export * from './client/client.js';
export * from './client/operations.js';
export type { StreamChunk } from './client/stream.js';
export * from './schemas/chat.js';
export * from './schemas/common.js';
export * from './schemas/provider-names.js';
export * from './schemas/providers.js';
export * from './schemas/users.js';
