import { LRUCache } from 'lru-cache';
import { pool } from '@/lib/database/pool';
import { processWide } from '@/lib/process-wide';

/** Milliseconds: signing out, a ban or the loss of a role takes effect in every process within this time. */
const REMEMBERED_MS = 1_000;

interface SessionIds {
  readonly userId: string;
  readonly sessionId: string;
}

/** A session that still stands. */
export interface ActiveSession {
  /** Whether the user is an administrator of the service now, by `app_metadata.role`. */
  readonly isAdmin: boolean;
}

const ENDED = 'ended';

/** Requests that come at the same time share one question. */
const sessions = () =>
  processWide(
    'sessions',
    () =>
      new LRUCache<string, ActiveSession | typeof ENDED, SessionIds>({
        max: 10_000,
        ttl: REMEMBERED_MS,
        // Who has asked before a session was forgotten gets the answer of before.
        ignoreFetchAbort: true,
        fetchMethod: (_key, _stale, { context }) => ask(context),
      }),
  );

const keyOf = ({ userId, sessionId }: SessionIds) => `${userId} ${sessionId}`;

async function ask({ userId, sessionId }: SessionIds): Promise<ActiveSession | typeof ENDED> {
  const { rows } = await pool().query<{ is_admin: boolean }>({
    name: 'session',
    text: 'SELECT is_admin FROM private.find_session($1, $2)',
    values: [sessionId, userId],
  });
  return rows[0] === undefined ? ENDED : { isAdmin: rows[0].is_admin };
}

/**
 * Finds the session of an access token: the token itself is good until it runs out.
 *
 * @returns undefined where the session has ended
 */
export async function findSession(session: SessionIds): Promise<ActiveSession | undefined> {
  const found = await sessions().fetch(keyOf(session), { context: session });
  return found === ENDED ? undefined : found;
}

/** Forgets a session that has just been ended here. */
export function forgetSession(session: SessionIds): void {
  sessions().set(keyOf(session), ENDED);
}
