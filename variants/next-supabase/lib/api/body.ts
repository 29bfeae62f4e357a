import { z } from 'zod';
import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { assertJsonDepth } from '@/lib/http/json-depth';

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** The schema of a body that is wanted as it was sent: signatures of webhooks are made over bytes. */
export const rawBody = z.instanceof(Uint8Array);

/**
 * Reads a JSON body of at most BODY_LIMIT_BYTES.
 *
 * @throws DomainError UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, MALFORMED_JSON
 * @throws ValidationError where it nests too deep
 */
export async function readJson(request: Request): Promise<unknown> {
  if (!JSON_TYPE.test(request.headers.get('content-type') ?? '')) {
    throw new DomainError('Send the body as application/json.', 'UNSUPPORTED_MEDIA_TYPE');
  }
  const bytes = await readBytes(request);
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new DomainError('The body is not JSON in UTF-8.', 'MALFORMED_JSON');
  }
  assertJsonDepth(body);
  return body;
}

/**
 * Reads a body of at most BODY_LIMIT_BYTES as it was sent. It stops reading where the limit is passed: what a client says
 * of the length is not believed.
 *
 * @throws DomainError PAYLOAD_TOO_LARGE
 */
export async function readBytes(request: Request): Promise<Uint8Array> {
  const limit = config().BODY_LIMIT_BYTES;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > limit) {
      throw new DomainError(`The body is larger than ${limit} bytes.`, 'PAYLOAD_TOO_LARGE');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
