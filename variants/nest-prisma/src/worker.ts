import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Logger, PinoLogger } from 'nestjs-pino';
import { createLogger } from './common/logging/logger.js';
import { configOrExit, readConfig } from './config/config.js';
import { listenForProbes } from './jobs/worker-probes.js';
import { failStart, shutDownOnSignals } from './shutdown.js';
import { WorkerAppModule } from './worker-app.module.js';

/** The worker in a process of its own: no API, the same jobs. */
const config = configOrExit(readConfig);
const logger = createLogger(config);
try {
  const app = await NestFactory.createApplicationContext(WorkerAppModule.forRoot(config, logger), {
    logger: new Logger(new PinoLogger({ pinoHttp: { logger } }), {}),
    abortOnError: false,
  });
  await listenForProbes(config);
  shutDownOnSignals(app, config);
} catch (error) {
  failStart(error, config);
}
