import { DomainError } from '@/lib/errors/domain-error';
import { problemResponse } from './problems';

/** An event of a stream (HTML, 9.2). */
export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

/** Maps what a generator yields, and what it returns at its end, to events. */
interface Mapping<Part, End> {
  part(value: Part): StreamEvent;
  end(value: End): StreamEvent;
}

/**
 * Returns server-sent events, each produced when the client is ready for it. What fails on the way is an event `error`
 * with a problem document: the status has long been sent.
 *
 * @param parts given up by `return()` as soon as the client leaves, also before the first event is read
 * @param abandoned aborted as soon as the client leaves
 */
export function streamed<Part, End>(
  parts: AsyncGenerator<Part, End | undefined>,
  toEvent: Mapping<Part, End>,
  { instance, requestId }: { readonly instance: string; readonly requestId: string },
  abandoned: AbortController,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const encode = ({ event, data }: StreamEvent) =>
    encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  const { signal } = abandoned;
  const giveUp = () => void parts.return(undefined).catch(() => {}); // what it fails with has nobody to go to
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await parts.next();
          if (!done) return controller.enqueue(encode(toEvent.part(value)));
          if (value === undefined && !signal.aborted) {
            throw new DomainError('The response was not read in time.', 'HANDLER_TIMEOUT');
          }
          if (value !== undefined) controller.enqueue(encode(toEvent.end(value)));
          controller.close();
        } catch (error) {
          if (signal.aborted) return;
          const problem: unknown = await problemResponse(error, instance, requestId).json();
          controller.enqueue(encode({ event: 'error', data: problem }));
          controller.close();
        }
      },
      cancel: () => abandoned.abort(),
    },
    { highWaterMark: 0 },
  );
}
