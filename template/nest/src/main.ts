import 'reflect-metadata';
import { createApp } from './app.js';
import { configOrExit, readConfig } from './config/config.js';

/** SIGTERM must end the process within 10 s, whatever hangs. */
const SHUTDOWN_LIMIT_MS = 9_000;

const config = configOrExit(readConfig);
const app = await createApp(config);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => setTimeout(() => process.exit(1), SHUTDOWN_LIMIT_MS).unref());
}
app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });

await app.init();
// Loading the modules has left 40 MiB behind, which V8 would keep. Where `--expose-gc` is set (development does without,
// since it starts often), they are given back before the first request comes.
globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
await app.listen(config.PORT, config.HOST);
