import type { Redis } from 'ioredis';
import type { Log } from '../../shared/lib/logging/log.js';
import type { StreamEvent } from './live-stream.js';

/** Milliseconds. While an answer is being made, its process says so this often ... */
const BEAT_MS = 1_000;
/** ... and is taken for dead after this long. */
const ALIVE_MS = 5_000;
/** For how long the events are kept after the last one was written, in seconds. */
const KEEP_SECONDS = 120;
/** For how long events are gathered before they are written: those of all answers travel together. */
const GATHER_MS = 100;
const BATCH = 64;

/** Writes what other processes may read. */
export interface StreamWriter {
  write(event: StreamEvent): void;
  /** Resolves when all is written, or cannot be. */
  end(): Promise<void>;
}

export type StreamStore = ReturnType<typeof createStreamStore>;

/**
 * The events of answers in Valkey, for clients that come back to another process than the one that makes the answer. Without
 * Valkey answers are made all the same; only coming back elsewhere, and stopping from there, do not work.
 */
export function createStreamStore({ valkey, prefix, log }: { valkey: Redis; prefix: string; log: Log }) {
  const key = (kind: string, id: string) => `${prefix}:chat:${kind}:${id}`;
  const stopChannel = `${prefix}:chat:stop`;
  const warn = (error: unknown) => log.warn({ err: error }, 'Valkey did not take a stream');

  /** Per stream: the events since the last write, as one with the place of the last of them. */
  let queue = new Map<string, StreamEvent>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<unknown> = Promise.resolve();
  /** Streams of which an event was lost: with a gap in it, one is worth nothing. */
  const broken = new Set<string>();

  async function flush(): Promise<void> {
    const batch = queue;
    queue = new Map();
    const pipeline = valkey.pipeline();
    for (const [id, { place, text }] of batch) pipeline.xadd(key('events', id), `${place}-0`, 'text', text);
    const results = await pipeline.exec().catch(() => null);
    for (const [index, id] of [...batch.keys()].entries()) {
      if (results === null || results[index]?.[0]) broken.add(id);
    }
  }

  /** Writes what was gathered, after what is being written. */
  function writeNow(): Promise<unknown> {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(flush);
    return writing;
  }

  return {
    writer(id: string): StreamWriter {
      const beat = () =>
        void valkey
          .multi()
          .set(key('alive', id), '1', 'PX', ALIVE_MS)
          .expire(key('events', id), KEEP_SECONDS)
          .exec()
          .catch(warn);
      beat();
      const beating = setInterval(beat, BEAT_MS);

      return {
        write(event) {
          if (broken.has(id)) return;
          const before = queue.get(id)?.text ?? '';
          queue.set(id, { place: event.place, text: before + event.text });
          timer ??= setTimeout(writeNow, GATHER_MS);
        },
        async end() {
          await writeNow();
          clearInterval(beating);
          const last = valkey.multi().del(key('alive', id));
          if (broken.delete(id)) last.del(key('events', id));
          else last.xadd(key('events', id), '*', 'end', '1').expire(key('events', id), KEEP_SECONDS);
          await last.exec().catch(warn);
        },
      };
    },

    /** Reports that this process is about to make an answer. */
    async claim(id: string): Promise<void> {
      await valkey.set(key('alive', id), '1', 'PX', ALIVE_MS).catch(warn);
    },

    /** Whether a process is making this answer. */
    isAlive: async (id: string): Promise<boolean> => (await valkey.exists(key('alive', id))) === 1,

    /** Whether anything of this stream is there to be read. */
    has: async (id: string): Promise<boolean> => (await valkey.exists(key('events', id))) === 1,

    /**
     * The events behind a place, in batches, until the last one.
     *
     * @returns whether the stream came to its end; false where its process has died
     */
    async *read(id: string, after: number, signal: AbortSignal): AsyncGenerator<string, boolean> {
      // A connection that waits can do nothing else.
      const connection = valkey.duplicate({ commandTimeout: undefined, enableOfflineQueue: true });
      connection.on('error', warn);
      const leave = () => connection.disconnect();
      signal.addEventListener('abort', leave);
      try {
        let place = `${after}-0`;
        while (!signal.aborted) {
          const found = await connection.xread(
            'COUNT',
            BATCH,
            'BLOCK',
            BEAT_MS,
            'STREAMS',
            key('events', id),
            place,
          );
          if (found === null) {
            if (!(await this.isAlive(id))) return false;
            continue;
          }
          const entries = found[0]?.[1] ?? [];
          const texts = entries.filter(([, [name]]) => name === 'text').map(([, [, text]]) => text ?? '');
          // The first one may begin with events that the client has.
          const text = texts.join('');
          if (text !== '') yield text.slice(Math.max(0, text.indexOf(`id: ${after + 1}\n`)));
          if (entries.some(([, [name]]) => name === 'end')) return true;
          place = entries.at(-1)?.[0] ?? place;
        }
        return true;
      } catch (error) {
        if (signal.aborted) return true;
        throw error;
      } finally {
        signal.removeEventListener('abort', leave);
        connection.disconnect();
      }
    },

    /** Tells the process that makes the answer that somebody listens in this one. */
    async listenFor(id: string, milliseconds: number): Promise<void> {
      await valkey.set(key('listener', id), '1', 'PX', milliseconds).catch(warn);
    },

    hasListener: async (id: string): Promise<boolean> =>
      (await valkey.exists(key('listener', id)).catch(() => 0)) === 1,

    /** Tells whichever process makes the answer to stop. */
    async requestStop(id: string): Promise<void> {
      await valkey.publish(stopChannel, id);
    },

    /**
     * @param stop is called with the id of every answer that is to stop
     * @returns ends the subscription
     */
    onStop(stop: (id: string) => void): () => void {
      const connection = valkey.duplicate({
        commandTimeout: undefined,
        enableOfflineQueue: true,
        maxRetriesPerRequest: null,
      });
      connection.on('error', warn);
      connection.on('message', (_channel, id) => stop(id));
      // Kept until Valkey is there, and renewed by ioredis after every reconnect.
      connection.subscribe(stopChannel).catch(() => {});
      return () => connection.disconnect();
    },
  };
}
