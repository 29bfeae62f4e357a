import { problemResponse } from './problems';

/** An event of a stream (HTML, 9.2). */
export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

/**
 * An answer as server-sent events, each taken when the client is ready for it. What fails on the way is an event `error`
 * with a problem document: the status has long been sent.
 *
 * @param abandoned aborted as soon as the client leaves
 */
export function streamed(
  events: AsyncGenerator<StreamEvent, void>,
  { instance, requestId }: { readonly instance: string; readonly requestId: string },
  abandoned: AbortController,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const encode = ({ event, data }: StreamEvent) =>
    encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await events.next();
          if (done) controller.close();
          else controller.enqueue(encode(value));
        } catch (error) {
          if (abandoned.signal.aborted) return;
          const problem: unknown = await problemResponse(error, instance, requestId).json();
          controller.enqueue(encode({ event: 'error', data: problem }));
          controller.close();
        }
      },
      async cancel() {
        abandoned.abort();
        await events.return();
      },
    },
    { highWaterMark: 0 },
  );
}
