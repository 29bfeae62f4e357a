import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, createApp } from '../../src/app.js';
import { readConfig } from '../../src/shared/lib/config/config.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON, or undefined where there is no body. */
  // biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of it
  readonly body: any;
}

type Headers_ = Record<string, string>;

/** The running service, reached over HTTP as its clients do. */
export interface HttpClient {
  readonly url: string;
  request(method: string, path: string, body?: unknown, headers?: Headers_): Promise<Answer>;
  get(path: string, headers?: Headers_): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Headers_): Promise<Answer>;
  patch(path: string, body: unknown, headers?: Headers_): Promise<Answer>;
  delete(path: string, headers?: Headers_): Promise<Answer>;
}

/** The service in this process. */
export interface TestService extends HttpClient {
  readonly app: App;
  /** The texts of the mails that were sent, oldest first. */
  mails(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Settings with which the service starts in a test; its database and what a test wants to be otherwise come on top. */
export function settings(database: { readonly url: string }): Record<string, string> {
  return {
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    RATE_LIMIT_ENABLED: 'false',
    SHUTDOWN_DRAIN_MS: '0',
    // A process that a test starts and waits for holds this one up.
    MAX_EVENT_LOOP_DELAY_MS: '0',
    DATABASE_URL: database.url,
    REDIS_URL: process.env.REDIS_URL ?? '',
    PUBLIC_URL: 'http://localhost',
    AUTH_SECRET: 'a'.repeat(64),
    AUTH_REQUIRE_VERIFIED_EMAIL: 'false',
    ENCRYPTION_KEYS: 'b'.repeat(64),
  };
}

export function httpClient(url: string): HttpClient {
  async function request(
    method: string,
    path: string,
    body?: unknown,
    headers: Headers_ = {},
  ): Promise<Answer> {
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(text) : undefined,
    };
  }

  return {
    url,
    request,
    get: (path, headers) => request('GET', path, undefined, headers),
    post: (path, body, headers) => request('POST', path, body, headers),
    patch: (path, body, headers) => request('PATCH', path, body, headers),
    delete: (path, headers) => request('DELETE', path, undefined, headers),
  };
}

export async function startService(
  database: { readonly url: string },
  changes: Record<string, string> = {},
): Promise<TestService> {
  const folder = await mkdtemp(join(tmpdir(), 'mail-'));
  const app = await createApp(readConfig({ ...settings(database), MAIL_FOLDER: folder, ...changes }));
  const url = await app.listen({ port: 0, host: '127.0.0.1' });

  return {
    ...httpClient(url),
    app,
    async mails() {
      await app.mailer.idle();
      const files = (await readdir(folder)).sort();
      return Promise.all(files.map((file) => Bun.file(join(folder, file)).text()));
    },
    async stop() {
      await app.close();
      await rm(folder, { recursive: true });
    },
  };
}
