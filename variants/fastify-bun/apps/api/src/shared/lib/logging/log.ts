import type { BaseLogger } from 'pino';

/** What a service needs of a logger. */
export type Log = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>;
