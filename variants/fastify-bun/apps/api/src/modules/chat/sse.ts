import { AnswerInterruptedError } from './errors.js';

/** Proxies close a connection on which nothing is said, many after 30 or 60 s. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Events as the body of an answer. It is asked for the next batch when the client has taken the one before: a slow client waits
 * in its own connection, and nothing is gathered for it.
 *
 * @param events returns false where the process that made them has died
 * @param left is aborted when nobody reads any more
 */
export function toEventStream(
  events: AsyncGenerator<string, boolean>,
  left: AbortController,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string, boolean>> | undefined;

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        next ??= events.next();
        const silence = Promise.withResolvers<undefined>();
        const timer = setTimeout(() => silence.resolve(undefined), KEEP_ALIVE_MS);
        const result = await Promise.race([next, silence.promise]);
        clearTimeout(timer);
        if (result === undefined) {
          controller.enqueue(encoder.encode(': still here\n\n'));
          return;
        }
        next = undefined;
        if (!result.done) {
          controller.enqueue(encoder.encode(result.value));
          return;
        }
        if (!result.value) {
          const { code, message } = new AnswerInterruptedError();
          const chunk = { type: 'error', errorText: `${code}: ${message}` };
          controller.enqueue(encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`));
        }
        controller.enqueue(encoder.encode('data: [DONE]\n\n'));
        controller.close();
      },
      async cancel() {
        left.abort();
        await events.return(true);
      },
    },
    { highWaterMark: 0 },
  );
}
