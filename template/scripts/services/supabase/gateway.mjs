// @ts-check
/**
 * The one URL of a Supabase project: `/rest/v1` is PostgREST, `/auth/v1` is Auth, `/functions/v1` the edge functions.
 * A process of its own: `GATEWAY='{...}' node gateway.mjs <port>`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import process from 'node:process';
import { importJWK, SignJWT } from 'jose';
import pg from 'pg';
import { createAuth } from './auth.mjs';
import { HttpError, readJson } from './http.mjs';
import { createTokens } from './tokens.mjs';

/**
 * @typedef {object} GatewayOptions
 * @property {string} databaseUrl of the role that owns Auth's tables
 * @property {number} restPort
 * @property {string} functionsFile holds where edge functions are served, if they are
 * @property {string[]} openFunctions those that anybody may call, without a key
 * @property {import('./keys.mjs').Stored} keys
 * @property {import('./config.mjs').AuthSettings} settings
 *
 * @typedef {import('node:http').IncomingMessage} IncomingMessage
 * @typedef {import('node:http').ServerResponse} ServerResponse
 */

/** @type {GatewayOptions} */
const { databaseUrl, restPort, functionsFile, openFunctions, keys, settings } = JSON.parse(process.env.GATEWAY ?? '{}');
const port = Number(process.argv[2]);
const url = `http://127.0.0.1:${port}`;

const pool = new pg.Pool({ connectionString: databaseUrl, max: 5 });
pool.on('error', () => {}); // an idle connection has ended: the next query opens another
const tokens = await createTokens({ keys, issuer: `${url}/auth/v1`, settings });
const auth = createAuth({ pool, tokens, settings });

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
  'access-control-expose-headers': 'Content-Range, Content-Location, X-Supabase-Api-Version, X-Relay-Error',
  'access-control-max-age': '3600',
};

const server = createServer((request, response) => {
  serve(request, response).catch((error) => {
    if (!(error instanceof HttpError)) process.stderr.write(`${error?.stack ?? error}\n`);
    const answer =
      error instanceof HttpError ? error : new HttpError(500, 'unexpected_failure', 'Unexpected failure');
    if (!response.headersSent) send(response, answer.status, answer.body);
    else response.destroy();
  });
});
server.keepAliveTimeout = 65_000; // clients keep connections longer than Node's 5 s
server.listen(port, '127.0.0.1');

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close(() => void pool.end().then(() => process.exit(0)));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 2_000).unref();
  });
}

/**
 * @param {IncomingMessage} request
 * @param {ServerResponse} response
 */
async function serve(request, response) {
  const { pathname, searchParams } = new URL(request.url ?? '/', url);
  for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
  if (request.method === 'OPTIONS') {
    response.setHeader(
      'access-control-allow-headers',
      request.headers['access-control-request-headers'] ?? '*',
    );
    response.writeHead(204).end();
    return;
  }
  if (pathname === '/auth/v1/.well-known/jwks.json') return send(response, 200, keys.jwks);
  if (pathname === '/auth/v1/health') return send(response, 200, { name: 'GoTrue', version: 'embedded' });

  const [, service, version] = pathname.split('/');
  const route = `/${service}/${version}`;
  if (route === '/functions/v1') {
    const functionsUrl = existsSync(functionsFile) && readFileSync(functionsFile, 'utf8');
    if (!functionsUrl) throw new HttpError(503, 'no_functions', 'No edge functions are served here.');
    const isOpen = openFunctions.includes(pathname.split('/')[3] ?? '');
    return forward(
      request,
      response,
      functionsUrl,
      request.url?.slice(route.length) || '/',
      isOpen ? request.headers.authorization : await identify(request),
    );
  }
  const authorization = await identify(request);
  if (route === '/rest/v1') {
    const path = (request.url ?? '').slice(route.length);
    return forward(
      request,
      response,
      `http://127.0.0.1:${restPort}`,
      path.startsWith('/') ? path : `/${path}`,
      authorization,
    );
  }
  if (route === '/auth/v1') {
    const body = request.method === 'GET' ? {} : await readJson(request);
    const answer = await auth({
      method: request.method ?? 'GET',
      path: pathname.slice(route.length),
      query: searchParams,
      token: authorization?.slice('Bearer '.length),
      body,
    });
    return send(response, answer === undefined ? 204 : 200, answer);
  }
  throw new HttpError(404, 'not_found', 'no Route matched with those values');
}

/**
 * Who asks, as the `Authorization` that the services behind the gateway understand: a user's token as it is, a secret
 * key as a token of `service_role`, a publishable key as none (which is `anon`).
 *
 * @param {IncomingMessage} request
 * @returns {Promise<string | undefined>}
 */
async function identify({ headers }) {
  const apiKey = headers.apikey;
  const authorization = headers.authorization;
  if (apiKey === undefined) throw new HttpError(401, 'no_api_key', 'No API key found in request');
  if (apiKey !== keys.publishable && apiKey !== keys.secret) {
    throw new HttpError(401, 'invalid_api_key', 'Invalid API key');
  }
  if (authorization !== undefined && authorization !== `Bearer ${apiKey}`) return authorization;
  return apiKey === keys.secret ? `Bearer ${await serviceToken()}` : undefined;
}

/** A short-lived token of `service_role`; it never leaves this machine. */
async function serviceToken() {
  return new SignJWT({ role: 'service_role' })
    .setProtectedHeader({ alg: 'ES256', kid: keys.signingKey.kid, typ: 'JWT' })
    .setIssuer('supabase')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(await importJWK(keys.signingKey, 'ES256'));
}

/**
 * @param {IncomingMessage} request
 * @param {ServerResponse} response
 * @param {string} base
 * @param {string} path
 * @param {string | undefined} authorization
 */
function forward(request, response, base, path, authorization) {
  const { authorization: _, host: __, connection: ___, ...headers } = request.headers;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(new URL(path, base), {
      method: request.method,
      headers: { ...headers, ...(authorization !== undefined && { authorization }) },
    });
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on('end', resolve);
      answer.on('error', reject);
    });
    outgoing.on('error', () =>
      reject(new HttpError(502, 'bad_gateway', 'The service behind the gateway does not answer')),
    );
    response.on('close', () => outgoing.destroy());
    request.pipe(outgoing);
  });
}

/**
 * @param {ServerResponse} response
 * @param {number} status
 * @param {unknown} [body]
 */
function send(response, status, body) {
  if (body === undefined) return void response.writeHead(status).end();
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'x-supabase-api-version': '2024-01-01',
  });
  response.end(JSON.stringify(body));
}
