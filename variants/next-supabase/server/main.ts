import { Console } from 'node:console';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { trace } from '@opentelemetry/api';
import pg from 'pg';
import proxyAddr from 'proxy-addr';
import { type Config, config } from '../lib/config/config.ts';
import { describeFailedStart } from '../lib/config/failed-start.ts';
import { configOrExit } from '../lib/config/load-config.ts';
import { drain } from '../lib/drain.ts';
import { CLIENT_ADDRESS_HEADER } from '../lib/http/client-address.ts';
import { closeConnections } from '../lib/http/close-connections.ts';
import { answerParserError } from '../lib/http/parser-errors.ts';
import { requestId } from '../lib/http/request-id.ts';
import { log } from '../lib/log.ts';
import { shutdownHooks } from '../lib/shutdown.ts';
import { serverSpan } from '../lib/telemetry/server-span.ts';
import { stopTracing } from '../lib/telemetry/tracing.ts';
import { answerInProblems } from './answer-in-problems.ts';
import { limitBody } from './limit-body.ts';

/** What Next.js has a handler for: it fails where it is asked for another method. */
const METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** After SHUTDOWN_DRAIN_MS, SIGTERM must end the process within this time, whatever hangs. */
const SHUTDOWN_LIMIT_MS = 8_000;

const settings = configOrExit(config);
const trusts = trustedProxies(settings.TRUST_PROXY);

// Whether Next.js compiles or serves a build is not a matter of the settings: a build also runs with those of development.
const dev = process.argv.includes('--dev');
Object.assign(process.env, { NODE_ENV: dev ? 'development' : 'production' });
await reachDatabase().catch(failStart);

// stdout is the log's, one JSON object per line: what Next.js has to say goes to stderr.
if (!dev) globalThis.console = new Console(process.stderr);
const { default: next } = await import('next');

// Next.js alone closes its port at once on SIGTERM, and answers nothing where the HTTP parser gives up.
const server = createServer({
  requestTimeout: settings.REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: 1_000,
  // Longer than a balancer's: otherwise it sends a request on a connection that the service is closing.
  keepAliveTimeout: settings.KEEP_ALIVE_TIMEOUT_MS,
});
const app = next({ dev, httpServer: server });
const handle = app.getRequestHandler();
await app.prepare().catch(failStart);

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
  closeConnections(response, () => drain().draining);
  answerInProblems(request, response);
  const refuse = (status: number) => {
    response.statusCode = status;
    if (status === 413) response.setHeader('connection', 'close'); // the body is on its way, and nobody reads it
    response.end();
  };
  const refused = refusal(request);
  if (refused !== undefined) {
    refuse(refused);
    return;
  }
  limitBody(request, settings.BODY_LIMIT_BYTES, () =>
    response.headersSent ? request.destroy() : refuse(413),
  );
  const answer = () =>
    handle(request, response).catch((error: unknown) => {
      if (response.writableEnded) return; // refused meanwhile
      log().error({ err: error }, 'Next.js failed to answer');
      response.destroy();
    });
  const span = trace.getActiveSpan();
  void (span === undefined ? answer() : serverSpan().run(span, answer));
});
server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
  answerParserError(error, socket as Socket),
);
server.once('error', failStart);
server.listen(settings.PORT, settings.HOST, () => {
  server.off('error', failStart);
  log().info({ address: server.address() }, 'listening');
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void shutDown());

/** Readiness says no at once; after a moment for balancers to look away, what is under way is finished. */
async function shutDown(): Promise<void> {
  setTimeout(() => process.exit(1), settings.SHUTDOWN_DRAIN_MS + SHUTDOWN_LIMIT_MS).unref();
  drain().draining = true;
  await new Promise((resolve) => setTimeout(resolve, settings.SHUTDOWN_DRAIN_MS));
  await new Promise((resolve) => server.close(resolve));
  await Promise.all([...shutdownHooks()].map((finish) => finish()));
  await app.close();
  await stopTracing();
  log().info('stopped');
  process.exit(0);
}

/** A service that cannot reach its database does not start: a request would tell of it late. */
async function reachDatabase(): Promise<void> {
  const client = new pg.Client({
    connectionString: settings.DATABASE_URL,
    connectionTimeoutMillis: settings.DATABASE_CONNECT_TIMEOUT_MS,
  });
  await client.connect();
  await client.end();
}

/** Ends a start that failed: by one line of the log with the reason and the setting, and exit code 1. */
function failStart(error: unknown): never {
  log().fatal(describeFailedStart(error, settings), 'the service could not start');
  process.exit(1);
}

/** With which status a request is refused that Next.js would fail at, or would first read as a whole. */
function refusal({ method = '', url = '', headers }: IncomingMessage): number | undefined {
  if (isOverloaded() && !url.startsWith('/health/')) return 503;
  if (!METHODS.has(method)) return 405;
  if (!isDecodable(url)) return 400;
  return Number(headers['content-length'] ?? 0) > settings.BODY_LIMIT_BYTES ? 413 : undefined;
}

function isDecodable(url: string): boolean {
  try {
    decodeURIComponent(url.split('?', 1)[0] ?? '');
    return true;
  } catch {
    return false;
  }
}

/** Whether an address is a proxy's whose X-Forwarded-For is believed. */
function trustedProxies(setting: Config['TRUST_PROXY']): (address: string) => boolean {
  if (typeof setting === 'boolean') return () => setting;
  const compiled = proxyAddr.compile(setting);
  return (address) => compiled(address, 0);
}
