import type { UIMessageChunk } from 'ai';
import { LiveStream } from './live-stream.js';
import { openStreams } from './metrics.js';
import type { StreamStore } from './stream-store.js';

/** While somebody listens to an answer of another process, that process is told so this often, in milliseconds. */
const LISTEN_MS = 1_000;

/** An answer that is being made in this process. */
class Generation {
  readonly stream = new LiveStream();
  readonly #abort = new AbortController();
  #listeners = 0;
  #grace: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(
    private readonly graceMs: number,
    private readonly hasListenerElsewhere: () => Promise<boolean>,
  ) {
    this.#startGrace();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Nobody wants the rest: the provider is told so. */
  stop(): void {
    clearTimeout(this.#grace);
    this.#abort.abort();
  }

  /** @returns takes the listener away again */
  listen(): () => void {
    this.#listeners++;
    clearTimeout(this.#grace);
    let isGone = false;
    return () => {
      if (isGone) return;
      isGone = true;
      this.#listeners--;
      if (this.#listeners === 0) this.#startGrace();
    };
  }

  /** Whoever has lost the connection may come back, here or elsewhere. */
  #startGrace(): void {
    if (this.#isOver || this.signal.aborted) return;
    this.#grace = setTimeout(async () => {
      if (await this.hasListenerElsewhere()) this.#startGrace();
      else if (this.#listeners === 0) this.stop();
    }, this.graceMs);
  }

  end(): void {
    this.#isOver = true;
    clearTimeout(this.#grace);
    this.stream.end();
  }
}

/** Makes an answer, and hands every chunk of it to `emit`. */
export type Make<Result> = (emit: (chunk: UIMessageChunk) => void, signal: AbortSignal) => Promise<Result>;

/** An answer that was begun here. */
export interface Started<Result> {
  /** Has to be called for as long as somebody waits for the result; returns how to say that nobody does any more. */
  listen(): () => void;
  /** The events from the first one on, in batches. Whoever reads listens. */
  read(signal: AbortSignal): AsyncGenerator<string, boolean>;
  /** The result when the answer is over. */
  readonly done: Promise<Result>;
}

export type Generations = ReturnType<typeof createGenerations>;

/**
 * The answers that are being made, whoever listens to them: a client that loses its connection may come back within the time
 * of grace, to this process or to another, and goes on where it was.
 */
export function createGenerations(store: StreamStore, graceMs: number) {
  const running = new Map<string, { readonly generation: Generation; readonly done: Promise<unknown> }>();
  const unsubscribe = store.onStop((id) => running.get(id)?.generation.stop());

  return {
    /** Begins to make an answer; it is stopped where nobody listens to it or reads it for the time of grace. */
    start<Result>(id: string, make: Make<Result>): Started<Result> {
      const generation = new Generation(graceMs, () => store.hasListener(id));
      const writer = store.writer(id);
      const run = async (): Promise<Result> => {
        try {
          return await make((chunk) => writer.write(generation.stream.push(chunk)), generation.signal);
        } finally {
          generation.end();
          running.delete(id);
          await writer.end();
        }
      };
      const done = run();
      running.set(id, { generation, done: done.catch(() => {}) });
      return {
        listen: () => generation.listen(),
        read: (signal) => whileListening(generation.stream.read(0, signal), () => generation.listen()),
        done,
      };
    },

    /**
     * The events of an answer behind a place, in batches.
     *
     * @param signal the listener has left
     * @returns undefined where there is nothing to be read any more; the generator returns whether the answer came to its end
     */
    async read(
      id: string,
      after: number,
      signal: AbortSignal,
    ): Promise<AsyncGenerator<string, boolean> | undefined> {
      const here = running.get(id)?.generation;
      if (here !== undefined) return whileListening(here.stream.read(after, signal), () => here.listen());
      if (!(await store.has(id).catch(() => false))) return undefined;
      return whileListening(store.read(id, after, signal), () => {
        const tell = () => void store.listenFor(id, graceMs + LISTEN_MS);
        tell();
        const timer = setInterval(tell, LISTEN_MS);
        return () => clearInterval(timer);
      });
    },

    /** Stops an answer, wherever it is being made. */
    async stop(id: string): Promise<void> {
      const here = running.get(id)?.generation;
      if (here !== undefined) here.stop();
      else await store.requestStop(id);
    },

    /** Stops all that is made here, and resolves when all is kept. */
    async close(): Promise<void> {
      unsubscribe();
      for (const { generation } of running.values()) generation.stop();
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}

/** Events whose reader counts as a listener from the first read to the last. */
async function* whileListening(
  events: AsyncGenerator<string, boolean>,
  listen: () => () => void,
): AsyncGenerator<string, boolean> {
  const leave = listen();
  openStreams.add(1);
  try {
    return yield* events;
  } finally {
    openStreams.add(-1);
    leave();
  }
}
