import type { [% if variant == 'nest-prisma' %]NestExpressApplication } from '@nestjs/platform-express'[% else %]NestFastifyApplication } from '@nestjs/platform-fastify'[% endif %];
import { createApp } from '../../src/app.js';
import { readConfig } from '../../src/config/config.js';
import { SETTINGS } from './settings.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON, or undefined where there is no body. */
  // biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of it
  readonly body: any;
}

/** The running service, reached over HTTP as its clients do. */
export interface TestService {
  readonly app: [% if variant == 'nest-prisma' %]NestExpressApplication[% else %]NestFastifyApplication[% endif %];
  readonly url: string;
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  patch(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  stop(): Promise<void>;
}

export async function startService(
  database: { readonly url: string },
  settings: Record<string, string> = {},
): Promise<TestService> {
  const config = readConfig({
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    RATE_LIMIT_ENABLED: 'false',
    SHUTDOWN_DRAIN_MS: '0',
    // A busy machine that runs the tests holds this process up; only what tests that wants to be told.
    MAX_EVENT_LOOP_DELAY_MS: '0',
    DATABASE_URL: database.url,
    ...SETTINGS,
    ...settings,
  });
  const app = await createApp(config);
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();

  async function request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body:
        /json/.test(response.headers.get('content-type') ?? '') && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  return {
    app,
    url,
    request,
    get: (path, headers) => request('GET', path, undefined, headers),
    post: (path, body, headers) => request('POST', path, body, headers),
    patch: (path, body, headers) => request('PATCH', path, body, headers),
    stop: () => app.close(),
  };
}
