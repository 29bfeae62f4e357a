import type { Logger } from 'pino';
import { config } from './config/config.ts';
import { createLogger } from './logging/logger.ts';

let logger: Logger | undefined;

/** The logger: one for the server and one for the handlers, since each knows its own requests. */
export function log(): Logger {
  logger ??= createLogger(config());
  return logger;
}
