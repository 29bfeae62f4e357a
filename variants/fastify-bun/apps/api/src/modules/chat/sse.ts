import { Readable } from 'node:stream';
import { AnswerInterruptedError } from './errors.js';

/** Proxies close a connection on which nothing is said, many after 30 or 60 s. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Events as the body of an answer. It asks for the next batch when the client has taken the one before: a slow client waits in its
 * own connection, and nothing is gathered for it.
 */
export class AnswerStream extends Readable {
  readonly #keepAlive = setInterval(() => this.push(': still here\n\n'), KEEP_ALIVE_MS);

  /**
   * @param events returns false where the process that made them has died
   * @param left is aborted when nobody reads any more
   */
  constructor(
    private readonly events: AsyncGenerator<string, boolean>,
    private readonly left: AbortController,
  ) {
    super({ highWaterMark: 1 });
  }

  override _read(): void {
    this.events.next().then(
      (result) => this.#hand(result),
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.#keepAlive);
    this.left.abort();
    this.events.return(true).then(
      () => callback(error),
      () => callback(error),
    );
  }

  #hand({ done, value }: IteratorResult<string, boolean>): void {
    if (this.destroyed) return;
    if (!done) {
      this.#keepAlive.refresh();
      this.push(value);
      return;
    }
    if (!value) {
      const { code, message } = new AnswerInterruptedError();
      this.push(`data: ${JSON.stringify({ type: 'error', errorText: `${code}: ${message}` })}\n\n`);
    }
    this.push('data: [DONE]\n\n');
    this.push(null);
  }
}
