import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { clientAddress } from '@/lib/http/client-address';
import { clientNetwork } from '@/lib/http/client-network';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { redis } from '@/lib/redis/redis';
import { recordSecurityEvent, type SecurityEvent } from '@/lib/security/security-events';
import { FAIL_ATTEMPT, RELEASE_ATTEMPT, RESERVE_ATTEMPT } from './login-attempt.lua';
import { RateLimited } from './rate-limited';

const DAY_MS = 86_400_000;
/** Seconds for which a client network stays known to an account after a login. */
const KNOWN_SECONDS = 30 * 86_400;
/** Milliseconds that an attempt waits for others that are under way, and for how long between two looks. */
const WAIT_MS = 3_000;
const LOOK_MS = 100;

/** The attempts that are limited, the security event of a failure, and the codes that are one. */
const ATTEMPTS = {
  'sign-in': { event: 'auth.sign_in_failed', failures: ['INVALID_CREDENTIALS'] },
  'sign-up': { event: 'auth.sign_up_failed', failures: ['EMAIL_TAKEN'] },
  refresh: { event: 'auth.refresh_failed', failures: ['INVALID_REFRESH_TOKEN'] },
} as const satisfies Record<string, { event: SecurityEvent; failures: readonly string[] }>;

interface Budget {
  readonly name: string;
  readonly key: string;
  readonly max: number;
  /** Whether it stays used up for longer each time. */
  readonly hasLockouts?: true;
}

type WithAttempts = Redis & {
  reserveAttempt(
    count: number,
    ...keysAndArguments: (string | number)[]
  ): Promise<[outcome: 0 | 1 | 2, budget: number, waitMs: number]>;
  failAttempt(count: number, ...keysAndArguments: (string | number)[]): Promise<number>;
  releaseAttempt(count: number, ...keys: string[]): Promise<number>;
};

const counters = () =>
  processWide('login-limits', () => {
    redis().defineCommand('reserveAttempt', { lua: RESERVE_ATTEMPT });
    redis().defineCommand('failAttempt', { lua: FAIL_ATTEMPT });
    redis().defineCommand('releaseAttempt', { lua: RELEASE_ATTEMPT });
    return redis() as WithAttempts;
  });

/**
 * Runs an attempt at a password or a refresh token within its budgets of failures: those of the client network with the
 * account, those of the client network with all accounts, and those of the account with all networks from which nobody
 * has signed in to it. It counts before it runs, so that parallel guesses are bounded, and a success gives it back. Only the
 * first of them has lockouts that grow: behind a network are many people.
 *
 * @param email of the account; undefined where the attempt names none
 * @throws RateLimited
 * @throws DomainError what the attempt throws. Only a wrong credential counts: an outage of Supabase Auth is no failure
 */
export async function limitAttempt<T>(
  request: Request,
  kind: keyof typeof ATTEMPTS,
  email: string | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const { event, failures } = ATTEMPTS[kind];
  const account = email === undefined ? undefined : accountHash(email);
  const metadata = { ...(account !== undefined && { account }) };
  const { RATE_LIMIT_ENABLED, RATE_LIMIT_IPV6_PREFIX } = config();
  const network = clientNetwork(clientAddress(request), RATE_LIMIT_IPV6_PREFIX);
  const known = account === undefined ? undefined : `login:known:${account}:${network}`;
  const budgets = RATE_LIMIT_ENABLED ? await budgetsOf(kind, network, account, known) : [];
  await reserve(budgets, request, metadata);
  try {
    const result = await attempt();
    // A sign-up that returns no session proves nothing: the address has yet to be confirmed.
    await succeed(budgets, kind !== 'refresh' && result !== null ? known : undefined);
    return result;
  } catch (error) {
    const failed = error instanceof DomainError && (failures as readonly string[]).includes(error.code);
    await settle(() => (failed ? fail(budgets) : release(budgets)));
    if (failed) recordSecurityEvent(event, request, { metadata });
    throw error;
  }
}

/**
 * Identifies an account in keys and events. The hash is keyed, because addresses can be guessed; a rotation of
 * ENCRYPTION_KEYS changes it.
 */
function accountHash(email: string): string {
  const { current, keys } = config().ENCRYPTION_KEYS;
  const key = keys.get(current);
  if (key === undefined) throw new Error('the key ring has no current key');
  return createHmac('sha256', key).update(`account:${email.toLowerCase()}`).digest('base64url').slice(0, 22);
}

/** The budget that a success clears first. */
async function budgetsOf(
  kind: keyof typeof ATTEMPTS,
  network: string,
  account: string | undefined,
  known: string | undefined,
): Promise<Budget[]> {
  const { LOGIN_ATTEMPTS_MAX, LOGIN_ATTEMPTS_NETWORK_MAX, LOGIN_ATTEMPTS_ACCOUNT_MAX } = config();
  const ofNetwork = {
    name: `${kind}-network`,
    key: `login:${kind}:network:${network}`,
    // Below the budget of one account it would refuse that account's owner.
    max: Math.max(LOGIN_ATTEMPTS_MAX, LOGIN_ATTEMPTS_NETWORK_MAX),
  };
  if (account === undefined) return [ofNetwork];
  const ofPair = {
    name: kind,
    key: `login:${kind}:${account}:${network}`,
    max: LOGIN_ATTEMPTS_MAX,
    hasLockouts: true as const,
  };
  if (known !== undefined && (await isKnown(known))) return [ofPair, ofNetwork];
  const ofAccount = {
    name: `${kind}-account`,
    key: `login:${kind}:account:${account}`,
    max: Math.max(LOGIN_ATTEMPTS_MAX, LOGIN_ATTEMPTS_ACCOUNT_MAX),
  };
  return [ofPair, ofNetwork, ofAccount];
}

const isKnown = (known: string) =>
  redis()
    .exists(known)
    .then(
      (count) => count === 1,
      () => false, // the reservation says what happens without Redis
    );

async function reserve(
  budgets: readonly Budget[],
  request: Request,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const { LOGIN_ATTEMPTS_WINDOW_SECONDS, RATE_LIMIT_ON_FAILURE } = config();
  const windowMs = LOGIN_ATTEMPTS_WINDOW_SECONDS * 1_000;
  const deadline = Date.now() + WAIT_MS;
  while (budgets.length > 0) {
    let answer: Awaited<ReturnType<WithAttempts['reserveAttempt']>>;
    try {
      answer = await counters().reserveAttempt(
        ...keysOf(budgets),
        windowMs,
        ...budgets.map(({ max }) => max),
      );
    } catch (error) {
      log().warn({ err: error, policy: RATE_LIMIT_ON_FAILURE }, 'login limit unavailable');
      if (RATE_LIMIT_ON_FAILURE === 'open') return;
      answer = [1, 1, 1_000];
    }
    const [outcome, index, waitMs] = answer;
    if (outcome === 0) return;
    // The others may succeed, and give back what they have reserved.
    if (outcome === 2 && Date.now() < deadline) {
      await sleep(LOOK_MS);
      continue;
    }
    const { name, max } = budgets[index - 1] as Budget;
    recordSecurityEvent('rate_limit.exceeded', request, { metadata: { ...metadata, policy: name } });
    throw new RateLimited(
      { success: false, limit: max, remaining: 0, resetMs: waitMs },
      { name, windowSeconds: LOGIN_ATTEMPTS_WINDOW_SECONDS },
    );
  }
}

async function fail(budgets: readonly Budget[]): Promise<void> {
  const [first] = budgets;
  if (first === undefined) return;
  const [count, ...keys] = keysOf(budgets);
  const windowMs = config().LOGIN_ATTEMPTS_WINDOW_SECONDS * 1_000;
  const limit = first.hasLockouts ? first.max : 0;
  await counters().failAttempt(count + 1, `${first.key}:lockouts`, ...keys, windowMs, limit, DAY_MS);
}

async function release(budgets: readonly Budget[]): Promise<void> {
  if (budgets.length > 0) await counters().releaseAttempt(...keysOf(budgets));
}

/** Clears the client's failures with the account, and gives back what the attempt took of the others. */
async function succeed([pair, ...others]: readonly Budget[], known: string | undefined): Promise<void> {
  await settle(async () => {
    if (pair === undefined) return;
    // Without an account the first budget is that of the network.
    if (others.length === 0) return release([pair]);
    await redis().del(pair.key, `${pair.key}:lockouts`);
    await release(others);
    if (known !== undefined) await redis().set(known, 1, 'EX', KNOWN_SECONDS);
  });
}

/** A failure of Redis must not change the response: reservations that are not given back end with the window. */
const settle = (work: () => Promise<unknown>) =>
  work().catch((error: unknown) => log().warn({ err: error }, 'login limit not updated'));

const keysOf = (budgets: readonly Budget[]): [count: number, ...keys: string[]] => [
  budgets.length,
  ...budgets.map(({ key }) => key),
];
