import { isIP } from 'node:net';
import { DomainError } from '../errors/domain-error.js';
import { AddressNotAllowed, type Lookup, publicAddress } from './public-address.js';

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

interface Options {
  /** `host` or `host:port`, which may be called wherever their addresses lie. */
  readonly allowedHosts: readonly string[];
  /** All addresses of a host; for tests. */
  readonly lookup?: Lookup;
}

/**
 * `fetch` for URLs that users supply. It calls public addresses alone, so that nobody can reach what this service can reach:
 * the name is resolved once, every address it has is checked, and the connection goes to the address that was checked, whatever
 * the name stands for a moment later. A redirect is an error: it could lead anywhere.
 *
 * @throws DomainError BASE_URL_NOT_ALLOWED
 */
export function createPinnedFetch(options: Options): Fetch {
  return async (given, init) => {
    const request = new Request(String(given), init);
    const url = new URL(request.url);
    const address = await checkedAddress(url, options);

    const target = new URL(url);
    target.hostname = isIP(address) === 6 ? `[${address}]` : address;
    const headers = new Headers(request.headers);
    headers.set('host', url.host);
    const response = await fetch(target, {
      method: request.method,
      headers,
      body: request.body,
      signal: init?.signal ?? request.signal,
      redirect: 'manual',
      // The certificate must be that of the name. No connection is kept: it would be kept for the address alone.
      tls: { serverName: url.hostname },
      keepalive: false,
      decompress: true,
    } as BunFetchRequestInit);
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw notAllowed('it redirects; give the address to which it leads, if you trust that');
    }
    return response;
  };
}

/**
 * Checks a URL as `createPinnedFetch` does, without calling it.
 *
 * @throws DomainError BASE_URL_NOT_ALLOWED
 */
export async function assertPublicUrl(url: string, options: Options): Promise<void> {
  await checkedAddress(new URL(url), options);
}

async function checkedAddress(url: URL, { allowedHosts, lookup }: Options): Promise<string> {
  try {
    return await publicAddress(url, new Set(allowedHosts.map((host) => host.toLowerCase())), lookup);
  } catch (error) {
    throw error instanceof AddressNotAllowed ? notAllowed(error.message) : error;
  }
}

function notAllowed(why: string): DomainError {
  return new DomainError(`The base URL cannot be used: ${why}.`, 'BASE_URL_NOT_ALLOWED');
}
