import { lookup as resolve } from 'node:dns/promises';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { DomainError } from '../errors/domain-error.js';

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

interface Options {
  /** `host` or `host:port`, which may be called wherever their addresses lie. */
  readonly allowedHosts: readonly string[];
  /** All addresses of a host; for tests. */
  readonly lookup?: (host: string) => Promise<readonly { readonly address: string }[]>;
}

/**
 * `fetch` for URLs that users supply. It calls public addresses alone, so that nobody can reach what this service can reach:
 * the name is resolved once, every address it has is checked, and the connection goes to the address that was checked, whatever
 * the name stands for a moment later. A redirect is an error: it could lead anywhere.
 *
 * @throws DomainError BASE_URL_NOT_ALLOWED
 */
export function createPinnedFetch({ allowedHosts, lookup = resolveAll }: Options): Fetch {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));

  return async (given, init) => {
    const request = new Request(String(given), init);
    const url = new URL(request.url);
    const address = await checkedAddress(url, allowed, lookup);

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
export async function assertPublicUrl(
  url: string,
  { allowedHosts, lookup = resolveAll }: Options,
): Promise<void> {
  await checkedAddress(new URL(url), new Set(allowedHosts.map((host) => host.toLowerCase())), lookup);
}

async function checkedAddress(
  { protocol, username, password, hostname, host }: URL,
  allowed: ReadonlySet<string>,
  lookup: NonNullable<Options['lookup']>,
): Promise<string> {
  if (protocol !== 'https:' && protocol !== 'http:')
    throw notAllowed('it must begin with https:// or http://');
  if (username !== '' || password !== '') throw notAllowed('it must not hold a name or a password');
  const name = hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) === 0 ? await lookup(name).catch(() => []) : [{ address: name }];
  const [first] = addresses;
  if (first === undefined) throw notAllowed('its name cannot be resolved');
  if (allowed.has(hostname) || allowed.has(host)) return first.address;
  // One that is not public is enough: which one a client would get is for the name's owner to choose.
  if (!addresses.every(({ address }) => isPublic(address))) {
    throw notAllowed(
      'it leads to an address that is not public; PROVIDER_ALLOWED_HOSTS is for those that are to be reached',
    );
  }
  return first.address;
}

/** Neither private, nor link-local, nor loopback, nor anything else that is set apart; also where IPv6 wraps IPv4. */
function isPublic(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';
}

function resolveAll(host: string): Promise<readonly { readonly address: string }[]> {
  return resolve(host, { all: true });
}

function notAllowed(why: string): DomainError {
  return new DomainError(`The base URL cannot be used: ${why}.`, 'BASE_URL_NOT_ALLOWED');
}
