import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import { AppModule } from './app.module.js';
import { configureHttp, createFastifyAdapter } from './common/http/fastify.js';
import { createLogger } from './common/logging/logger.js';
import type { Config } from './config/config.js';
import { serveDocs } from './openapi.js';

/** The whole application, not yet listening; tests, benchmarks and `main.ts` start from here. */
export async function createApp(
  config: Config,
  module: typeof AppModule = AppModule,
): Promise<NestFastifyApplication> {
  const logger = createLogger(config);
  const app = await NestFactory.create<NestFastifyApplication>(
    module.forRoot(config, logger),
    createFastifyAdapter(config, logger),
    { bufferLogs: true, bodyParser: false, abortOnError: false },
  );
  app.useLogger(app.get(Logger));
  await configureHttp(app, config);
  serveDocs(app);
  return app;
}
