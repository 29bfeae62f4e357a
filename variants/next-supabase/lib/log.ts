import type { Logger } from 'pino';
import { config } from './config/config.js';
import { createLogger } from './logging/logger.js';
import { processWide } from './process-wide.js';

/** The process's logger. */
export function log(): Logger {
  return processWide('logger', () => createLogger(config()));
}
