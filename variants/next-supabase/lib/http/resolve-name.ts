import { Resolver } from 'node:dns/promises';

/** Milliseconds until a name is given up. */
const TIMEOUT_MS = 3_000;
/** Milliseconds that a name server has, and how often it is asked. */
const QUERY = { timeout: 1_000, tries: 3 };

/**
 * Resolves a name that a user supplied, by DNS alone and within {@link TIMEOUT_MS}. Not by the system's resolver: each of its
 * look-ups occupies one of the four threads that Node has for look-ups and files, until it gives up after up to 30 s, and
 * cannot be canceled. Two slow names would delay everybody else's. Queries occupy no thread, so they need no common limit
 * that one user could fill.
 *
 * @throws Error where the name has no address, or not in time
 */
export async function resolveName(name: string): Promise<readonly { readonly address: string }[]> {
  const resolver = new Resolver(QUERY);
  const timer = setTimeout(() => resolver.cancel(), TIMEOUT_MS);
  try {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const [failure] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    if (addresses.length === 0) throw failure ?? new Error('the name has no address');
    return addresses.map((address) => ({ address }));
  } finally {
    clearTimeout(timer);
  }
}
