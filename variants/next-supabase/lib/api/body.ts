import { z } from 'zod';
import { DomainError } from '@/lib/errors/domain-error';
import { assertJsonDepth } from '@/lib/http/json-depth';

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** The schema of a body that is wanted as it was sent: signatures of webhooks are made over bytes. */
export const rawBody = z.instanceof(Uint8Array);

/**
 * Reads a JSON body. The server sees to BODY_LIMIT_BYTES.
 *
 * @throws DomainError UNSUPPORTED_MEDIA_TYPE, MALFORMED_JSON
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

/** Reads a body as it was sent. */
export const readBytes = async (request: Request): Promise<Uint8Array> =>
  new Uint8Array(await request.arrayBuffer());
