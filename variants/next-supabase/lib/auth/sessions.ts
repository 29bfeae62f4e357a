import { LRUCache } from 'lru-cache';
import { pool } from '@/lib/database/pool';
import { processWide } from '@/lib/process-wide';

/** Milliseconds: signing out, or a ban, takes effect in every process within this time. */
const REMEMBERED_MS = 1_000;

interface Session {
  readonly userId: string;
  readonly sessionId: string;
}

/** Requests that come at the same time share one question. */
const active = () =>
  processWide(
    'sessions',
    () =>
      new LRUCache<string, boolean, Session>({
        max: 10_000,
        ttl: REMEMBERED_MS,
        // Who has asked before a session was forgotten gets the answer of before.
        ignoreFetchAbort: true,
        fetchMethod: (_key, _stale, { context }) => ask(context),
      }),
  );

const keyOf = ({ userId, sessionId }: Session) => `${userId} ${sessionId}`;

async function ask({ userId, sessionId }: Session): Promise<boolean> {
  const { rows } = await pool().query<{ active: boolean }>({
    name: 'session',
    text: 'SELECT private.is_session_active($1, $2) AS active',
    values: [sessionId, userId],
  });
  return rows[0]?.active === true;
}

/** Whether the session of an access token still stands: the token itself is good until it runs out. */
export async function isSessionActive(session: Session): Promise<boolean> {
  return (await active().fetch(keyOf(session), { context: session })) === true;
}

/** Forgets a session that has just been ended here. */
export function forgetSession(session: Session): void {
  active().set(keyOf(session), false);
}
