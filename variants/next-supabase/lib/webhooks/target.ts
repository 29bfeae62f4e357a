import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { config } from '@/lib/config/config';
import { AddressNotAllowed, publicAddress } from '@/lib/http/public-address';
import { resolveName } from '@/lib/http/resolve-name';

/** Milliseconds until a name is given up that DNS does not have. */
const LOOKUP_TIMEOUT_MS = 3_000;

/**
 * The address to which a webhook may be sent: asked when its URL is entered, and before each delivery. WEBHOOK_ALLOWED_HOSTS
 * may lead anywhere, also over http://. If DNS does not have their names, the system resolves them (/etc/hosts, search domains).
 *
 * @throws AddressNotAllowed
 */
export async function webhookAddress(url: URL): Promise<string> {
  const allowed = new Set(config().WEBHOOK_ALLOWED_HOSTS.map((host) => host.toLowerCase()));
  const isAllowed = allowed.has(url.hostname) || allowed.has(url.host);
  const address = await publicAddress(url, allowed, isAllowed ? resolveAllowed : resolveName);
  if (url.protocol !== 'https:' && !isAllowed) throw new AddressNotAllowed('it must begin with https://');
  return address;
}

async function resolveAllowed(name: string): Promise<readonly { readonly address: string }[]> {
  try {
    return await resolveName(name);
  } catch {
    return lookupInTime(name);
  }
}

async function lookupInTime(name: string): Promise<readonly { readonly address: string }[]> {
  const found = new AbortController();
  try {
    return await Promise.race([
      lookup(name, { all: true }),
      sleep(LOOKUP_TIMEOUT_MS, undefined, { signal: found.signal }).then(() => {
        throw new Error('the name was not resolved in time');
      }),
    ]);
  } finally {
    found.abort();
  }
}
