/** The service as it is deployed, on a free port that it tells its parent process. */
// The build, and not the sources: Node strips types, but it emits no decorator metadata.
const dist = new URL('../dist/', import.meta.url);
const { createApp } = (await import(new URL('app.js', dist).href)) as typeof import('../src/app.js');
const { readConfig } = (await import(
  new URL('config/config.js', dist).href
)) as typeof import('../src/config/config.js');

const app = await createApp(readConfig());
await app.listen(0, '127.0.0.1');
process.once('disconnect', () => process.exit(1)); // whoever measures has gone
process.once('SIGTERM', () => void app.close().then(() => process.exit(0)));
process.send?.({ url: await app.getUrl() });
