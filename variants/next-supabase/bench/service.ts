/** The service as it is deployed, on a free port that it tells whoever measures. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../scripts/services/processes.mjs';

const port = await freePort();
process.env.PORT = `${port}`;
process.env.HOST = '127.0.0.1';
process.once('disconnect', () => process.exit(1)); // whoever measures has gone
await import(new URL('../dist/server/main.js', import.meta.url).href);

const url = `http://127.0.0.1:${port}`;
const answers = () =>
  fetch(`${url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
while (!(await answers())) await sleep(10);
process.send?.({ url });
