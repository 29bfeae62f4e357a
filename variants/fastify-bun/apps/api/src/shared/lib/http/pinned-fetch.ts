import { lookup as resolve } from 'node:dns/promises';
import { isIP } from 'node:net';
import { DomainError } from '../errors/domain-error.js';
import { AddressNotAllowed, type Lookup, publicAddress } from './public-address.js';

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

interface Options {
  /** `host` or `host:port`, which may be called wherever their addresses lie. */
  readonly allowedHosts: readonly string[];
  /** All addresses of a host; for tests. */
  readonly lookup?: Lookup;
  /** Milliseconds that a look-up may take; for tests. */
  readonly lookupTimeoutMs?: number;
}

/** The name's owner decides how long its name server takes. */
const LOOKUP_TIMEOUT_MS = 3_000;

/**
 * `fetch` for URLs that users supply. It calls public addresses alone, so that nobody can reach what this service can reach:
 * the name is resolved once, every address it has is checked, and the connection goes to the address that was checked, whatever
 * the name stands for a moment later. A redirect is an error: it could lead anywhere. `http:` is only for `allowedHosts`: on
 * public networks, everyone on the path could read the user's key.
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
      decompress: false,
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

async function checkedAddress(
  url: URL,
  { allowedHosts, lookup = resolveAll, ...options }: Options,
): Promise<string> {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  try {
    const address = await publicAddress(url, allowed, inTime(lookup, options.lookupTimeoutMs));
    if (url.protocol === 'http:' && !allowed.has(url.hostname) && !allowed.has(url.host))
      throw notAllowed(
        'it must begin with https://; http:// is only for the hosts in PROVIDER_ALLOWED_HOSTS',
      );
    return address;
  } catch (error) {
    throw error instanceof AddressNotAllowed ? notAllowed(error.message) : error;
  }
}

const resolveAll: Lookup = (host) => resolve(host, { all: true });

/** @throws AddressNotAllowed if the look-up takes too long; it ends unobserved, since the resolver cannot be interrupted */
function inTime(lookup: Lookup, milliseconds = LOOKUP_TIMEOUT_MS): Lookup {
  return async (host) => {
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(() => limit.reject(new Error('look-up timed out')), milliseconds);
    try {
      return await Promise.race([lookup(host), limit.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}

function notAllowed(why: string): DomainError {
  return new DomainError(`The base URL cannot be used: ${why}.`, 'BASE_URL_NOT_ALLOWED');
}
