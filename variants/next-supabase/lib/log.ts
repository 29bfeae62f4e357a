import { config } from './config/config.ts';
import { createLogger } from './logging/logger.ts';
import { processWide } from './process-wide.ts';

/** The logger, one for the server and the handlers: in development each would have a thread that makes its lines readable. */
export const log = () => processWide('log', () => createLogger(config()));
