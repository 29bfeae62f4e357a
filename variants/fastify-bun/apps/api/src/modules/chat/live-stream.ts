/** How many events one read hands out at most. */
const BATCH = 64;

/** An event of a stream, as it goes over the wire, with its place: 1, 2, 3, ... */
export interface StreamEvent {
  readonly place: number;
  readonly text: string;
}

/**
 * The events of an answer that is being made in this process. It keeps all of them once, whoever listens: a reader is no more
 * than a place in the list, so a slow one costs no memory, and each may begin anywhere.
 */
export class LiveStream {
  readonly #events: string[] = [];
  /** What readers wait for that have read everything. */
  #change: PromiseWithResolvers<void> | undefined;
  #isOver = false;

  push(data: unknown): StreamEvent {
    const place = this.#events.length + 1;
    const text = `id: ${place}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#events.push(text);
    this.#wake();
    return { place, text };
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /**
   * The events behind a place, in batches, until the last one.
   *
   * @param signal ends the wait for further events
   * @returns true: it came to its end, as far as anybody was listening
   */
  async *read(after: number, signal: AbortSignal): AsyncGenerator<string, boolean> {
    let place = after;
    signal.addEventListener('abort', this.#wake);
    try {
      while (!signal.aborted) {
        if (place < this.#events.length) {
          const batch = this.#events.slice(place, place + BATCH);
          place += batch.length;
          yield batch.join('');
        } else if (this.#isOver) break;
        else {
          this.#change ??= Promise.withResolvers();
          await this.#change.promise;
        }
      }
      return true;
    } finally {
      signal.removeEventListener('abort', this.#wake);
    }
  }

  readonly #wake = (): void => {
    this.#change?.resolve();
    this.#change = undefined;
  };
}
