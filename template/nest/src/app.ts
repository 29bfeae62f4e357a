import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger, PinoLogger } from 'nestjs-pino';
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
    {
      // Not only when the modules are there: what fails before that is in the log too.
      logger: new Logger(new PinoLogger({ pinoHttp: { logger } }), {}),
      bodyParser: false,
      abortOnError: false,
    },
  );
  await configureHttp(app, config);
  serveDocs(app);
  return app;
}
