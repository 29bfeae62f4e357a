import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeAds } from './fake-google-ads.js';
import { FakeTagManager } from './fake-google-tag-manager.js';

export interface Reply {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

/**
 * How a call fails, instead of what it would answer: with another answer; without one, the connection being cut before or
 * after the call has had its effect; or without any, ever.
 */
export type Fault = Reply | 'cut' | 'answer-lost' | 'hangs';

/** A request to one of Google's APIs. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: each API reads what it wants of it
  readonly body: any;
}

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  /** When it came, in milliseconds. */
  readonly at: number;
}

/** So many requests in any `windowMs`, over all of the APIs. */
export interface Limit {
  readonly units: number;
  readonly windowMs: number;
}

/** Google's hosts, as far as this service knows them. Reached over HTTP by Google's own libraries. */
export class FakeGoogle {
  readonly tagManager = new FakeTagManager();
  readonly ads = new FakeAds();
  /** In order. */
  readonly requests: ReceivedRequest[] = [];
  /** What the next calls of a path answer instead, one each. The path of an API may be written with its method: `POST /a/b` */
  readonly faults = new Map<string, Fault[]>();
  latencyMs = 0;
  /** How long access tokens live. */
  lifetimeS = 3_600;
  /** Google's own count of requests to its APIs, where there is one. */
  limit: Limit | undefined;
  /** How many requests that was too much for. */
  refused = 0;
  readonly revoked = new Set<string>();
  private readonly counted: number[] = [];
  private readonly codes = new Map<string, { challenge: string; email: string }>();
  private readonly accounts = new Map<string, string>();
  private readonly server = createServer((request, response) => void this.answer(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** What a user does in the browser: they agree, and come back with state and code. */
  agree(authorizationUrl: string, email: string): { state: string; code: string } {
    const { searchParams } = new URL(authorizationUrl);
    if (searchParams.get('code_challenge_method') !== 'S256') throw new Error('there is no PKCE');
    const code = randomUUID();
    this.codes.set(code, { challenge: searchParams.get('code_challenge') ?? '', email });
    return { state: searchParams.get('state') ?? '', code };
  }

  /** What somebody does who takes the access away: tokens that were good are so no longer. */
  takeAccessAway(): void {
    for (const token of this.accounts.keys()) this.revoked.add(token);
  }

  /** Access tokens that were good are so no longer; refresh tokens are. */
  forgetAccessTokens(): void {
    for (const token of this.accounts.keys()) if (token.startsWith('canary-access-')) this.revoked.add(token);
  }

  count(path: string, method?: string): number {
    return this.requests.filter((each) => each.path === path && (method ?? each.method) === each.method)
      .length;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const { method = 'GET', headers } = request;
    const { pathname: path, searchParams: query } = new URL(request.url ?? '/', 'http://google');
    this.requests.push({ method, path, at: performance.now() });
    if (this.latencyMs > 0) await sleep(this.latencyMs);
    const fault = this.faults.get(path)?.shift() ?? this.faults.get(`${method} ${path}`)?.shift();
    if (fault === 'hangs') return;
    if (fault === 'cut') {
      request.socket.destroy();
      return;
    }
    const reply = typeof fault === 'object' ? fault : this.respond({ method, path, query, headers }, text);
    if (fault === 'answer-lost') {
      request.socket.destroy();
      return;
    }
    response
      .writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers })
      .end(JSON.stringify(reply.body ?? {}));
  }

  private respond(request: Omit<ApiRequest, 'body'>, text: string): Reply {
    const { path, query } = request;
    const form = new URLSearchParams(text);
    if (path === '/token') {
      return form.get('grant_type') === 'refresh_token'
        ? this.refresh(form.get('refresh_token') ?? '')
        : this.exchange(form.get('code') ?? '', form.get('code_verifier') ?? '');
    }
    if (path === '/revoke') {
      this.revoked.add(query.get('token') ?? '');
      return { status: 200 };
    }
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const email = this.revoked.has(token) ? undefined : this.accounts.get(token);
    if (path === '/v1/userinfo') {
      return email === undefined ? { status: 401 } : { status: 200, body: { email } };
    }
    if (email === undefined) {
      return failure(401, 'authError', 'Request had invalid authentication credentials.');
    }
    if (this.isTooMuch()) return failure(403, 'rateLimitExceeded', 'Quota exceeded.');
    const api = path.startsWith('/tagmanager/') ? this.tagManager : this.ads;
    return api.respond({ ...request, body: text === '' ? undefined : JSON.parse(text) });
  }

  private isTooMuch(): boolean {
    if (this.limit === undefined) return false;
    const { units, windowMs } = this.limit;
    const now = performance.now();
    if (this.counted.filter((at) => at > now - windowMs).length >= units) {
      this.refused += 1;
      return true;
    }
    this.counted.push(now);
    return false;
  }

  private exchange(code: string, verifier: string): Reply {
    const known = this.codes.get(code);
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (known === undefined || known.challenge !== challenge) {
      return { status: 400, body: { error: 'invalid_grant' } };
    }
    this.codes.delete(code);
    return this.grant(known.email, `canary-refresh-${randomUUID()}`);
  }

  private refresh(token: string): Reply {
    const email = this.accounts.get(token);
    if (email === undefined || this.revoked.has(token))
      return { status: 400, body: { error: 'invalid_grant' } };
    return this.grant(email);
  }

  private grant(email: string, refreshToken?: string): Reply {
    const accessToken = `canary-access-${randomUUID()}`; // pragma: allowlist secret
    this.accounts.set(accessToken, email);
    if (refreshToken !== undefined) this.accounts.set(refreshToken, email);
    return {
      status: 200,
      body: {
        access_token: accessToken,
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
        expires_in: this.lifetimeS,
        scope: 'openid email https://www.googleapis.com/auth/tagmanager.publish',
        token_type: 'Bearer', // pragma: allowlist secret
      },
    };
  }
}

/** As Google's older APIs fail. */
export function failure(status: number, reason: string, message: string): Reply {
  return {
    status,
    body: { error: { code: status, message, errors: [{ reason, message, domain: 'global' }] } },
  };
}
