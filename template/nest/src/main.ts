import 'reflect-metadata';
import { configOrExit, readConfig } from './config/config.js';
import { failStart, shutDownOnSignals } from './shutdown.js';

const config = configOrExit(readConfig);
// Loaded once the settings are known to be right: where they are not, the process says so at once.
const { createApp } = await import('./app.js');
try {
  const app = await createApp(config);
  shutDownOnSignals(app, config);
  await app.init();
  // Loading the modules has left 40 MiB behind, which V8 would keep. Where `--expose-gc` is set (development does without,
  // since it starts often), they are given back before the first request comes.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  await app.listen(config.PORT, config.HOST);
} catch (error) {
  failStart(error, config);
}
