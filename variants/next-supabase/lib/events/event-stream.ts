import { setTimeout as sleep } from 'node:timers/promises';
import { drain } from '@/lib/drain';
import { DomainError } from '@/lib/errors/domain-error';
import { processWide } from '@/lib/process-wide';

/** Shorter than the idle time after which proxies cut a connection. */
const HEARTBEAT_MS = 15_000;
/** How often a stream looks whether the process is to stop. */
const DRAIN_LOOK_MS = 250;
/** What a client may be behind before it is cut off: it connects again, and reads anew. */
const MAX_QUEUED = 100;
/** Streams that a user may have open in a process: each costs queries with every event. */
const MAX_STREAMS = 20;

const openStreams = () => processWide('streams', () => new Map<string, number>());

export interface Sender {
  /** Sends an event; `data` as JSON. */
  send(event: string, data: unknown): void;
  close(): void;
}

/**
 * A stream of server-sent events (HTML, 9.2) that ends with its client, with the process, or when `isAllowed` says no,
 * which is asked with each heartbeat.
 *
 * @throws DomainError TOO_MANY_STREAMS
 * @param start sets up what sends, and returns how to take that down
 */
export function eventStream(
  userId: string,
  signal: AbortSignal,
  isAllowed: () => Promise<boolean>,
  start: (sender: Sender) => Promise<() => void>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const ended = new AbortController();
  const end = () => ended.abort();
  ended.signal.addEventListener('abort', countStream(userId), { once: true });
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  return new ReadableStream<Uint8Array>(
    {
      async start(controller) {
        const write = (text: string) => {
          if (ended.signal.aborted) return;
          if ((controller.desiredSize ?? 0) <= -MAX_QUEUED) end();
          else controller.enqueue(encoder.encode(text));
        };
        const stop = await start({
          send: (event, data) => write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
          close: end,
        }).catch((error: unknown) => {
          end();
          throw error;
        });
        void keepAlive(ended.signal, isAllowed, () => write(': still here\n\n'))
          .finally(() => {
            end();
            stop();
            controller.close();
          })
          .catch(() => {}); // the client has gone: the controller is closed already
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  );
}

/** Counts a stream of a user. @returns how to count it no longer. @throws DomainError TOO_MANY_STREAMS */
function countStream(userId: string): () => void {
  const streams = openStreams();
  const count = streams.get(userId) ?? 0;
  if (count >= MAX_STREAMS) {
    throw new DomainError(
      `At most ${MAX_STREAMS} streams of events are open for a user at the same time. Close one first.`,
      'TOO_MANY_STREAMS',
    );
  }
  streams.set(userId, count + 1);
  return () => {
    const left = (streams.get(userId) ?? 1) - 1;
    if (left > 0) streams.set(userId, left);
    else streams.delete(userId);
  };
}

/** Resolves when the stream is to end. */
async function keepAlive(
  signal: AbortSignal,
  isAllowed: () => Promise<boolean>,
  beat: () => void,
): Promise<void> {
  let next = Date.now() + HEARTBEAT_MS;
  while (!signal.aborted && !drain().draining) {
    await sleep(DRAIN_LOOK_MS, undefined, { signal }).catch(() => {});
    if (Date.now() < next) continue;
    if (!(await isAllowed().catch(() => false))) return;
    beat();
    next = Date.now() + HEARTBEAT_MS;
  }
}
