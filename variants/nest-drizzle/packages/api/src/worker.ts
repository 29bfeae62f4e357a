import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Logger, PinoLogger } from 'nestjs-pino';
import { createLogger } from './common/logging/logger.js';
import { configOrExit, readConfig } from './config/config.js';
import { WorkerAppModule } from './queue/worker-app.module.js';
import { failStart, shutDownOnSignals } from './shutdown.js';

/** The queue's worker in a process of its own: no HTTP, the same jobs. */
const config = configOrExit(readConfig);
const logger = createLogger(config);
try {
  const app = await NestFactory.createApplicationContext(WorkerAppModule.forRoot(config, logger), {
    logger: new Logger(new PinoLogger({ pinoHttp: { logger } }), {}),
    abortOnError: false,
  });
  shutDownOnSignals(app, config);
} catch (error) {
  failStart(error, config);
}
