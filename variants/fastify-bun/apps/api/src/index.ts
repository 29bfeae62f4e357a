import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { type App, createApp } from './app.js';
import { configOrExit, readConfig } from './shared/lib/config/config.js';
import { describeFailedStart } from './shared/lib/config/failed-start.js';
import { createLogger } from './shared/lib/logging/logger.js';
import { observeRuntime } from './shared/lib/telemetry/metrics.js';
import { startTracing, stopTracing } from './shared/lib/telemetry/tracing.js';

/** After SHUTDOWN_DRAIN_MS, SIGTERM must end the process within this time, whatever hangs. */
const SHUTDOWN_LIMIT_MS = 8_000;

const config = configOrExit(readConfig);
const log = createLogger(config);

// Bun alone prints such an error with all its members, and drivers put what users have written there.
process.once('uncaughtException', (error) => {
  log.fatal({ err: error }, 'uncaught error');
  process.exit(1);
});

try {
  observeRuntime();
  if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT) await startTracing();
  const app = await createApp(config, log);
  shutDownOnSignals(app);
  // A service that never had a database is not what was meant to run; one that loses it recovers by itself.
  await app.db.execute(sql`SELECT 1`);
  await app.listen({ port: config.PORT, host: config.HOST });
} catch (error) {
  log.fatal(describeFailedStart(error, config), 'the service could not start');
  process.exit(1);
}

function shutDownOnSignals(app: App): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      setTimeout(() => process.exit(1), config.SHUTDOWN_DRAIN_MS + SHUTDOWN_LIMIT_MS).unref();
      app.lifecycle.draining = true;
      // Balancers need a moment to look away: until then the service answers.
      await sleep(config.SHUTDOWN_DRAIN_MS);
      await app.close();
      await stopTracing();
      process.exit(0);
    });
  }
}
