import { Webhook } from 'standardwebhooks';
import { config } from '@/lib/config/config';
import { DecryptionError } from '@/lib/crypto/encryption';
import { pool } from '@/lib/database/pool';
import { pinnedPost } from '@/lib/http/pinned-post';
import { AddressNotAllowed } from '@/lib/http/public-address';
import { recordCall } from '@/lib/integrations/metrics';
import { log } from '@/lib/log';
import { openSecret } from './secrets';
import { webhookAddress } from './target';

/** Deliveries that a process has under way at the same time, and how many of them for one project and for one owner. */
const MAX_DELIVERIES = 50;
const MAX_PER_PROJECT = 4;
const MAX_PER_OWNER = 8;
/** 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 6 h: with the default of WEBHOOK_RETRY_SECONDS, eight attempts in eight hours. */
const MAX_ATTEMPTS = 8;
const BACKOFF_FACTOR = 4;
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Two messages in a row that could not be delivered at all. */
const FAILURES_TO_DISABLE = 2 * MAX_ATTEMPTS;
/** Milliseconds beyond the receiver's time, after which another process may try. */
const LEASE_SLACK_MS = 10_000;

interface Claimed {
  readonly id: string;
  readonly attempts: number;
  readonly payload: object;
  readonly endpoint_id: string;
  readonly project_id: string;
  readonly url: string;
  readonly secret: string;
}

interface Outcome {
  readonly status?: number;
  /** Why not, where it was not delivered. */
  readonly error?: string;
  readonly retryAfterMs?: number;
}

/** The projects of the deliveries that this process has under way. */
const underWay = new Map<Promise<void>, string>();

/**
 * Begins to deliver what is due, each message in one process at a time. Slow receivers hold up the messages
 * of their own project, and of its owner's other ones. A message can arrive twice, with the same `webhook-id`: where the process ends between the receiver's
 * answer and its record.
 *
 * @returns how many were begun; while none more may be, waits for one to end
 */
export async function deliverDue(): Promise<number> {
  if (underWay.size >= MAX_DELIVERIES) await Promise.race(underWay.keys());
  const { rows } = await pool().query<Claimed>('SELECT * FROM private.claim_webhooks($1, $2, $3, $4, $5)', [
    MAX_DELIVERIES - underWay.size,
    `${config().WEBHOOK_TIMEOUT_MS + LEASE_SLACK_MS} milliseconds`,
    MAX_PER_PROJECT,
    MAX_PER_OWNER,
    [...underWay.values()],
  ]);
  for (const message of rows) {
    const delivery = deliver(message)
      .catch((error: unknown) => log().warn({ err: error, id: message.id }, 'webhook delivery not recorded'))
      .finally(() => underWay.delete(delivery));
    underWay.set(delivery, message.project_id);
  }
  return rows.length;
}

/** Resolves when a delivery that is under way has ended, and never while there is none. */
export const deliveryEnd = (): Promise<void> => Promise.race(underWay.keys());

async function deliver(message: Claimed): Promise<void> {
  const started = performance.now();
  const outcome = await send(message);
  recordCall({
    service: 'Webhooks',
    operation: 'deliver',
    outcome: outcome.error === undefined ? 'OK' : 'FAILED',
    seconds: (performance.now() - started) / 1_000,
  });
  const { rows } = await pool().query<{ disabled: boolean }>(
    'SELECT private.finish_webhook($1, $2, $3, $4, $5, $6, $7) AS disabled',
    [
      message.id,
      outcome.error === undefined,
      outcome.status ?? null,
      outcome.error ?? null,
      retryIn(message.attempts, outcome),
      FAILURES_TO_DISABLE,
      outcome.status === 410,
    ],
  );
  if (rows[0]?.disabled) log().warn({ webhookId: message.endpoint_id }, 'a webhook is disabled');
}

async function send({ id, payload, endpoint_id, project_id, url, secret }: Claimed): Promise<Outcome> {
  const { WEBHOOK_TIMEOUT_MS } = config();
  const body = JSON.stringify(payload);
  const now = new Date();
  try {
    const signature = new Webhook(openSecret(secret, endpoint_id, project_id)).sign(id, now, body);
    const target = new URL(url);
    const { status, retryAfterMs } = await pinnedPost(target, await webhookAddress(target), {
      body,
      timeoutMs: WEBHOOK_TIMEOUT_MS,
      headers: {
        'content-type': 'application/json',
        'user-agent': config().OTEL_SERVICE_NAME,
        'webhook-id': id,
        'webhook-timestamp': `${Math.floor(now.getTime() / 1_000)}`,
        'webhook-signature': signature,
      },
    });
    if (status >= 200 && status < 300) return { status };
    const error =
      status >= 300 && status < 400 ? 'it redirects, which is not followed' : `it answered ${status}`;
    return { status, error, retryAfterMs };
  } catch (error) {
    if (error instanceof DecryptionError) {
      log().error({ err: error, webhookId: endpoint_id }, 'a stored webhook secret does not decrypt');
      return { error: 'its secret cannot be read; replace it' };
    }
    if (error instanceof AddressNotAllowed) return { error: error.message };
    const { name, code } = error as Error & { code?: unknown };
    return {
      error: name === 'TimeoutError' || name === 'AbortError' ? 'it took too long' : String(code ?? name),
    };
  }
}

/** @returns an interval of PostgreSQL; null where nothing more is tried */
function retryIn(attempts: number, { error, retryAfterMs = 0 }: Outcome): string | null {
  if (error === undefined || attempts >= MAX_ATTEMPTS) return null;
  const backoff = config().WEBHOOK_RETRY_SECONDS * 1_000 * BACKOFF_FACTOR ** (attempts - 1);
  const jittered = backoff * (1 + Math.random() / 4);
  return `${Math.round(Math.max(jittered, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)))} milliseconds`;
}
