import { setTimeout as sleep } from 'node:timers/promises';
import { drain } from '@/lib/drain';

/** Shorter than the idle time after which proxies cut a connection. */
const HEARTBEAT_MS = 15_000;
/** How often a stream looks whether the process is to stop. */
const DRAIN_LOOK_MS = 250;
/** What a client may be behind before it is cut off: it connects again, and reads anew. */
const MAX_QUEUED = 100;

export interface Sender {
  /** Sends an event; `data` as JSON. */
  send(event: string, data: unknown): void;
  close(): void;
}

/**
 * A stream of server-sent events (HTML, 9.2) that ends with its client, with the process, or when `isAllowed` says no,
 * which is asked with each heartbeat.
 *
 * @param start sets up what sends, and returns how to take that down
 */
export function eventStream(
  signal: AbortSignal,
  isAllowed: () => Promise<boolean>,
  start: (sender: Sender) => Promise<() => void>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const ended = new AbortController();
  const end = () => ended.abort();
  signal.addEventListener('abort', end, { once: true });
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
