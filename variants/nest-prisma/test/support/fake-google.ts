import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a call fails, instead of what it would answer. */
export interface Fault {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

/** Google's hosts, as far as this service knows them. Reached over HTTP by Google's own libraries. */
export class FakeGoogle {
  /** Calls by their path, in order. */
  readonly calls: string[] = [];
  /** What the next calls of a path answer instead, one each. */
  readonly faults = new Map<string, Fault[]>();
  latencyMs = 0;
  /** How long access tokens live. */
  lifetimeS = 3_600;
  readonly revoked = new Set<string>();
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

  count(path: string): number {
    return this.calls.filter((call) => call === path).length;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://google');
    this.calls.push(pathname);
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
    const fault = this.faults.get(pathname)?.shift();
    const form = new URLSearchParams(text);
    const {
      status,
      body = {},
      headers = {},
    } = fault ?? this.respond(pathname, form, searchParams, request.headers.authorization);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  }

  private respond(path: string, form: URLSearchParams, query: URLSearchParams, authorization = ''): Fault {
    if (path === '/token') {
      return form.get('grant_type') === 'refresh_token'
        ? this.refresh(form.get('refresh_token') ?? '')
        : this.exchange(form.get('code') ?? '', form.get('code_verifier') ?? '');
    }
    if (path === '/v1/userinfo') {
      const email = this.accounts.get(authorization.replace('Bearer ', ''));
      return email === undefined ? { status: 401 } : { status: 200, body: { email } };
    }
    if (path === '/revoke') {
      this.revoked.add(query.get('token') ?? '');
      return { status: 200 };
    }
    return { status: 404 };
  }

  private exchange(code: string, verifier: string): Fault {
    const known = this.codes.get(code);
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (known === undefined || known.challenge !== challenge) {
      return { status: 400, body: { error: 'invalid_grant' } };
    }
    this.codes.delete(code);
    return this.grant(known.email, `refresh-${randomUUID()}`);
  }

  private refresh(token: string): Fault {
    const email = this.accounts.get(token);
    if (email === undefined || this.revoked.has(token))
      return { status: 400, body: { error: 'invalid_grant' } };
    return this.grant(email);
  }

  private grant(email: string, refreshToken?: string): Fault {
    const accessToken = `canary-access-${randomUUID()}`;
    this.accounts.set(accessToken, email);
    if (refreshToken !== undefined) this.accounts.set(refreshToken, email);
    return {
      status: 200,
      body: {
        access_token: accessToken,
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
        expires_in: this.lifetimeS,
        scope: 'openid email https://www.googleapis.com/auth/tagmanager.publish',
        token_type: 'Bearer',
      },
    };
  }
}
