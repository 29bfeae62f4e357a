import { LRUCache } from 'lru-cache';
import { pool } from '@/lib/database/pool';
import { processWide } from '@/lib/process-wide';

/** Milliseconds: signing out, or a ban, takes effect in every process within this time. */
const REMEMBERED_MS = 1_000;

const active = () =>
  processWide('sessions', () => new LRUCache<string, boolean>({ max: 10_000, ttl: REMEMBERED_MS }));

/** Whether the session of an access token still stands: the token itself is good until it runs out. */
export async function isSessionActive(userId: string, sessionId: string): Promise<boolean> {
  const known = active().get(sessionId);
  if (known !== undefined) return known;
  const { rows } = await pool().query<{ active: boolean }>({
    name: 'session',
    text: 'SELECT private.is_session_active($1, $2) AS active',
    values: [sessionId, userId],
  });
  const answer = rows[0]?.active === true;
  active().set(sessionId, answer);
  return answer;
}

/** Forgets a session that has just been ended here. */
export function forgetSession(sessionId: string): void {
  active().set(sessionId, false);
}
