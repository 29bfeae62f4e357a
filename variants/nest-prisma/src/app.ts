import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger } from 'nestjs-pino';
import { AppModule } from './app.module.js';
import { configureHttp, HttpAdapter } from './common/http/express.js';
import { createLogger } from './common/logging/logger.js';
import type { Config } from './config/config.js';
import { serveBullBoard } from './jobs/bull-board.js';
import { serveDocs } from './openapi.js';

/** The whole application, not yet listening; tests, benchmarks and `main.ts` start from here. */
export async function createApp(
  config: Config,
  module: typeof AppModule = AppModule,
): Promise<NestExpressApplication> {
  const logger = createLogger(config);
  const app = await NestFactory.create<NestExpressApplication>(
    module.forRoot(config, logger),
    new HttpAdapter(config),
    { bufferLogs: true, bodyParser: false, abortOnError: false },
  );
  app.useLogger(app.get(Logger));
  configureHttp(app, config, logger);
  serveDocs(app);
  serveBullBoard(app, config.BULL_BOARD_PASSWORD);
  return app;
}
