import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { createApp } from './app.js';
import { configOrExit, readConfig } from './shared/lib/config/config.js';
import { observeRuntime } from './shared/lib/telemetry/metrics.js';
import { startTracing, stopTracing } from './shared/lib/telemetry/tracing.js';

/** SIGTERM must end the process within 10 s, whatever hangs. */
const SHUTDOWN_LIMIT_MS = 9_000;

const config = configOrExit(readConfig);
observeRuntime();
if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT) await startTracing();
const app = await createApp(config);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, async () => {
    setTimeout(() => process.exit(1), SHUTDOWN_LIMIT_MS).unref();
    app.lifecycle.draining = true;
    // Balancers need a moment to look away: until then the service answers.
    await sleep(config.SHUTDOWN_DRAIN_MS);
    await app.close();
    await stopTracing();
    process.exit(0);
  });
}

// Bun alone prints such an error with all its members, and drivers put what users have written there.
process.once('uncaughtException', (error) => {
  app.log.fatal({ err: error }, 'uncaught error');
  process.exit(1);
});

try {
  // A service that never had a database is not what was meant to run; one that loses it recovers by itself.
  await app.db.execute(sql`SELECT 1`);
  await app.listen({ port: config.PORT, host: config.HOST });
} catch (error) {
  app.log.fatal({ err: error }, 'the service cannot start');
  process.exit(1);
}
