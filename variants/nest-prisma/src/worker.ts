import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Logger } from 'nestjs-pino';
import { createLogger } from './common/logging/logger.js';
import { configOrExit, readConfig } from './config/config.js';
import { listenForProbes } from './jobs/worker-probes.js';
import { shutDownOnSignals } from './shutdown.js';
import { WorkerAppModule } from './worker-app.module.js';

/** The worker in a process of its own: no API, the same jobs. */
const config = configOrExit(readConfig);
const app = await NestFactory.createApplicationContext(
  WorkerAppModule.forRoot(config, createLogger(config)),
  { bufferLogs: true, abortOnError: false },
);
app.useLogger(app.get(Logger));
listenForProbes(config);
shutDownOnSignals(app);
