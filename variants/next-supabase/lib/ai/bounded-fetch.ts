import { config } from '@/lib/config/config';
import { UpstreamError } from '@/lib/integrations/upstream-error';
import type { Model } from './model';

/**
 * Returns a `fetch` for a provider's client, whose responses fail after AI_ANSWER_MAX_BYTES: a client buffers a line
 * until it ends, and an error until its body ends.
 *
 * @throws UpstreamError INTEGRATION_TOO_LARGE, while the body is read
 */
export const boundedFetch =
  (service: Model['service']): typeof fetch =>
  async (input, init) => {
    const response = await fetch(input, init);
    const { body, status, statusText, headers } = response;
    if (body === null) return response;
    let left = config().AI_ANSWER_MAX_BYTES;
    const bounded = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        left -= chunk.byteLength;
        if (left < 0) controller.error(new UpstreamError(service, 'TOO_LARGE'));
        else controller.enqueue(chunk);
      },
    });
    return new Response(body.pipeThrough(bounded), { status, statusText, headers });
  };
