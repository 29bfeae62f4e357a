import { lookup as resolve } from 'node:dns/promises';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** All addresses of a host. */
export type Lookup = (host: string) => Promise<readonly { readonly address: string }[]>;

/** A URL that must not be called. The message completes "it ...". */
export class AddressNotAllowed extends Error {
  override name = 'AddressNotAllowed';
}

/**
 * The address to connect to for a URL that a user supplied: one that is public, so that nobody can reach what this
 * service can reach. The name is resolved once and every address it has is checked; whoever connects must use the
 * address that is returned, whatever the name stands for a moment later, and must follow no redirect.
 *
 * @param allowed `host` or `host:port`, in lower case, which may be called wherever their addresses lie
 * @throws AddressNotAllowed
 */
export async function publicAddress(
  { protocol, username, password, hostname, host }: URL,
  allowed: ReadonlySet<string>,
  lookup: Lookup = resolveAll,
): Promise<string> {
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw new AddressNotAllowed('it must begin with https:// or http://');
  }
  if (username !== '' || password !== '') {
    throw new AddressNotAllowed('it must not hold a name or a password');
  }
  const name = hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) === 0 ? await lookup(name).catch(() => []) : [{ address: name }];
  const [first] = addresses;
  if (first === undefined) throw new AddressNotAllowed('its name cannot be resolved');
  if (allowed.has(hostname) || allowed.has(host)) return first.address;
  // One that is not public is enough: which one a client would get is for the name's owner to choose.
  if (!addresses.every(({ address }) => isPublic(address))) {
[%- if variant == 'fastify-bun' %]
    throw new AddressNotAllowed(
      'it leads to an address that is not public; PROVIDER_ALLOWED_HOSTS is for those that are to be reached',
    );
[%- else %]
    throw new AddressNotAllowed('it leads to an address that is not public');
[%- endif %]
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
