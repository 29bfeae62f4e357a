import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import proxyAddr from 'proxy-addr';
import { type Config, config } from '../lib/config/config.ts';
import { configOrExit } from '../lib/config/load-config.ts';
import { drain } from '../lib/drain.ts';
import { CLIENT_ADDRESS_HEADER } from '../lib/http/client-address.ts';
import { answerParserError } from '../lib/http/parser-errors.ts';
import { requestId } from '../lib/http/request-id.ts';
import { log } from '../lib/log.ts';
import { stopTracing } from '../lib/telemetry/tracing.ts';
import { answerInProblems } from './answer-in-problems.ts';

/** SIGTERM must end the process within 10 s, whatever hangs. */
const SHUTDOWN_LIMIT_MS = 9_000;

const settings = configOrExit(config);
const trusts = trustedProxies(settings.TRUST_PROXY);

// Whether Next.js compiles or serves a build is not a matter of the settings: a build also runs with those of development.
const dev = process.argv.includes('--dev');
Object.assign(process.env, { NODE_ENV: dev ? 'development' : 'production' });
const { default: next } = await import('next');

// Next.js alone closes its port at once on SIGTERM, and answers nothing where the HTTP parser gives up.
const server = createServer({
  requestTimeout: settings.REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: 1_000,
});
const app = next({ dev, httpServer: server });
const handle = app.getRequestHandler();
await app.prepare();

const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
setInterval(() => delay.reset(), 1_000).unref();

/** Whether the process is so far behind that one request more would only wait. */
const isOverloaded = () =>
  settings.MAX_EVENT_LOOP_DELAY_MS > 0 && delay.mean / 1e6 > settings.MAX_EVENT_LOOP_DELAY_MS;

server.on('request', (request: IncomingMessage, response: ServerResponse) => {
  // The handlers believe these, so whatever a client sends under these names is replaced.
  const id = requestId(request);
  request.headers['x-request-id'] = id;
  request.headers[CLIENT_ADDRESS_HEADER] = proxyAddr(request, trusts);
  response.setHeader('x-request-id', id);
  answerInProblems(request, response);
  if (drain().draining) response.setHeader('connection', 'close');
  if (isOverloaded() && !request.url?.startsWith('/health/')) {
    response.statusCode = 503;
    response.setHeader('retry-after', '5').end();
    return;
  }
  handle(request, response).catch((error: unknown) => {
    log().error({ err: error }, 'Next.js failed to answer');
    response.destroy();
  });
});
server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
  answerParserError(error, socket as Socket),
);
server.listen(settings.PORT, settings.HOST, () => {
  log().info({ address: server.address() }, 'listening');
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void shutDown());

/** Readiness says no at once; after a moment for balancers to look away, what is under way is finished. */
async function shutDown(): Promise<void> {
  setTimeout(() => process.exit(1), SHUTDOWN_LIMIT_MS).unref();
  drain().draining = true;
  await new Promise((resolve) => setTimeout(resolve, settings.SHUTDOWN_DRAIN_MS));
  await new Promise((resolve) => server.close(resolve));
  await app.close();
  await stopTracing();
  log().info('stopped');
  process.exit(0);
}

/** Whether an address is a proxy's whose X-Forwarded-For is believed. */
function trustedProxies(setting: Config['TRUST_PROXY']): (address: string) => boolean {
  if (typeof setting === 'boolean') return () => setting;
  const compiled = proxyAddr.compile(setting);
  return (address) => compiled(address, 0);
}
