import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { log } from '@/lib/log';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** How often the connection is checked: TCP does not report a peer that has disappeared. */
const CHECK_MS = 15_000;

interface Callbacks {
  /** One notification of the channel. */
  readonly received: (payload: string) => void;
  /** What was notified before is lost. `again`: the connection was lost, and is back. */
  readonly connected: (again: boolean) => void;
}

export interface Listener {
  /** Resolves while notifications arrive. @throws DomainError DATABASE_UNAVAILABLE */
  ready(): Promise<void>;
}

/**
 * Listens to a channel of PostgreSQL until the process ends, on a connection besides the pool's; one that is lost is
 * replaced. DATABASE_URL must lead to a session: a pooler that gives a connection per transaction delivers nothing.
 */
export function listener(channel: string, { received, connected }: Callbacks): Listener {
  let listening = Promise.withResolvers<void>();

  const run = async () => {
    for (let pause = FIRST_PAUSE_MS, again = false; ; ) {
      const started = Date.now();
      await listenOnce(channel, received, () => {
        listening.resolve();
        pause = FIRST_PAUSE_MS;
        connected(again);
        again = true;
      }).catch((error: unknown) => {
        log().warn({ err: error, channel }, 'LISTEN connection lost, reconnecting');
      });
      // Those who wait already wait for the next connection, too.
      const before = listening;
      listening = Promise.withResolvers<void>();
      void listening.promise.then(before.resolve);
      await sleep(Math.max(0, started + pause - Date.now()), undefined, { ref: false });
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  };
  void run();

  return {
    async ready() {
      const { DATABASE_CONNECT_TIMEOUT_MS } = config();
      const timeout = new AbortController();
      const late = sleep(DATABASE_CONNECT_TIMEOUT_MS, 'late', { signal: timeout.signal }).catch(() => {});
      const first = await Promise.race([listening.promise, late]);
      timeout.abort();
      if (first === undefined) return;
      throw new DomainError('The database cannot be reached right now. Try again.', 'DATABASE_UNAVAILABLE');
    },
  };
}

/** Resolves or rejects when the connection is lost. */
async function listenOnce(
  channel: string,
  received: (payload: string) => void,
  connected: () => void,
): Promise<void> {
  const { DATABASE_URL, DATABASE_CONNECT_TIMEOUT_MS, OTEL_SERVICE_NAME } = config();
  const client = new pg.Client({
    connectionString: DATABASE_URL,
    connectionTimeoutMillis: DATABASE_CONNECT_TIMEOUT_MS,
    query_timeout: DATABASE_CONNECT_TIMEOUT_MS,
    application_name: OTEL_SERVICE_NAME,
    keepAlive: true,
  });
  const ended = Promise.withResolvers<void>();
  client.on('error', ended.reject);
  client.on('end', () => ended.reject(new Error('Connection terminated')));
  client.on('notification', ({ payload = '' }) => received(payload));
  let check: NodeJS.Timeout | undefined;
  try {
    await Promise.race([client.connect(), ended.promise]);
    await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    connected();
    check = setInterval(() => void client.query('SELECT 1').catch(ended.reject), CHECK_MS).unref();
    await ended.promise;
  } finally {
    clearInterval(check);
    ended.promise.catch(() => {}); // it failed otherwise, and ends now
    void client.end().catch(() => {});
  }
}
