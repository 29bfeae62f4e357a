import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Logger } from 'nestjs-pino';
import { createLogger } from './common/logging/logger.js';
import { configOrExit, readConfig } from './config/config.js';
import { WorkerAppModule } from './queue/worker-app.module.js';
import { shutDownOnSignals } from './shutdown.js';

/** The queue's worker in a process of its own: no HTTP, the same jobs. */
const config = configOrExit(readConfig);
const app = await NestFactory.createApplicationContext(
  WorkerAppModule.forRoot(config, createLogger(config)),
  {
    bufferLogs: true,
    abortOnError: false,
  },
);
app.useLogger(app.get(Logger));
shutDownOnSignals(app);
