import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'bun:test';
import { DomainError } from '../../src/shared/lib/errors/domain-error.js';
import { createPinnedFetch } from '../../src/shared/lib/http/pinned-fetch.js';

let requests: { url: string; host: string | null; body: string }[] = [];
let server: ReturnType<typeof Bun.serve>;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push({ url: request.url, host: request.headers.get('host'), body: await request.text() });
      if (pathname === '/redirect') return Response.redirect('http://169.254.169.254/latest/meta-data', 307);
      if (pathname === '/stream') return new Response(twoParts());
      return Response.json({ ok: true });
    },
  });
});
beforeEach(() => {
  requests = [];
});
afterAll(() => server.stop(true));

async function* twoParts() {
  yield 'one';
  yield 'two';
}

/** A name server of the test's own. */
const names = (...addresses: string[]) => ({ lookup: async () => addresses.map((address) => ({ address })) });

async function refusal(call: Promise<Response>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof DomainError ? error.code : `not refused: ${error}`;
}

describe('a URL that a user supplied', () => {
  it.each([
    'http://127.0.0.1',
    'http://localhost',
    'http://[::1]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]',
    'http://[64:ff9b::7f00:1]',
    'http://0.0.0.0',
    'http://2130706433',
    'http://0x7f.1',
    'http://10.1.2.3',
    'http://172.16.0.1',
    'http://192.168.1.1',
    'http://100.64.0.1',
    'http://169.254.169.254',
    'http://[fe80::1]',
    'http://[fd00::1]',
    'http://[fd00:ec2::254]',
  ])('is not called at %s, which is not public', async (base) => {
    const url = `${base}:${server.port}/v1`;
    expect(await refusal(createPinnedFetch({ allowedHosts: [] })(url))).toBe('BASE_URL_NOT_ALLOWED');
    expect(requests).toEqual([]);
  });

  it.each(['ftp://models.example', 'file:///etc/passwd', 'http://user:password@models.example'])(
    'is not called as %s',
    async (url) => {
      const pinned = createPinnedFetch({ allowedHosts: [], ...names('8.8.8.8') });
      expect(await refusal(pinned(url))).toBe('BASE_URL_NOT_ALLOWED');
    },
  );

  it('is not called where its name has an address that is not public, even among others', async () => {
    const pinned = createPinnedFetch({ allowedHosts: [], ...names('8.8.8.8', '127.0.0.1') });
    expect(await refusal(pinned(`http://models.example:${server.port}/`))).toBe('BASE_URL_NOT_ALLOWED');
    expect(requests).toEqual([]);
  });

  it('is not called where its name has no address', async () => {
    const pinned = createPinnedFetch({
      allowedHosts: [],
      lookup: () => Promise.reject(new Error('ENOTFOUND')),
    });
    expect(await refusal(pinned('http://models.example/'))).toBe('BASE_URL_NOT_ALLOWED');
  });

  it('is not called over http: at a public address', async () => {
    const pinned = createPinnedFetch({ allowedHosts: [], ...names('8.8.8.8') });
    expect(await refusal(pinned('http://models.example/v1'))).toBe('BASE_URL_NOT_ALLOWED');
  });

  it('is not called where its name server takes too long', async () => {
    const slow = Promise.withResolvers<{ address: string }[]>();
    const pinned = createPinnedFetch({ allowedHosts: [], lookup: () => slow.promise, lookupTimeoutMs: 50 });
    expect(await refusal(pinned('https://models.example/v1'))).toBe('BASE_URL_NOT_ALLOWED');
    slow.resolve([]);
  });

  it('is resolved once for each call, and the connection goes where the check has looked', async () => {
    // A name that is rebound after the first question: a second one would lead nowhere.
    let questions = 0;
    const lookup = async () => [{ address: questions++ === 0 ? '127.0.0.1' : '192.0.2.1' }];
    const host = `models.example:${server.port}`;
    const pinned = createPinnedFetch({ allowedHosts: [host], lookup });
    const response = await pinned(`http://${host}/v1?x=1`, { method: 'POST', body: 'hello' });
    expect(await response.json()).toEqual({ ok: true });
    expect(questions).toBe(1);
    expect(requests).toEqual([{ url: `http://${host}/v1?x=1`, host, body: 'hello' }]);
  });

  it('may lead to what the operator has allowed, and only by that name and port', async () => {
    const pinned = createPinnedFetch({ allowedHosts: [`127.0.0.1:${server.port}`] });
    expect((await pinned(`http://127.0.0.1:${server.port}/`)).status).toBe(200);
    expect(await refusal(pinned(`http://127.0.0.1:${Number(server.port) - 1}/`))).toBe(
      'BASE_URL_NOT_ALLOWED',
    );
    expect(await refusal(pinned(`http://localhost:${server.port}/`))).toBe('BASE_URL_NOT_ALLOWED');
  });

  it('that redirects is refused, and where it leads is not called', async () => {
    const pinned = createPinnedFetch({ allowedHosts: ['127.0.0.1'] });
    expect(await refusal(pinned(`http://127.0.0.1:${server.port}/redirect`))).toBe('BASE_URL_NOT_ALLOWED');
    expect(requests).toHaveLength(1);
  });

  it('streams its answer', async () => {
    const pinned = createPinnedFetch({ allowedHosts: ['127.0.0.1'] });
    expect(await (await pinned(`http://127.0.0.1:${server.port}/stream`)).text()).toBe('onetwo');
  });
});
