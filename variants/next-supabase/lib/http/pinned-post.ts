import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';

interface Options {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds from the connection to the head of the response. */
  readonly timeoutMs: number;
}

/**
 * Posts to a URL that a user supplied. The connection goes to the `address` that was checked, for this request alone; the
 * certificate must be that of the name; a redirect is an answer like any other, and is not followed.
 *
 * @returns the status, and `Retry-After` in milliseconds where it is in seconds; the body is of no interest
 */
export function pinnedPost(
  url: URL,
  address: string,
  { headers, body, timeoutMs }: Options,
): Promise<{ status: number; retryAfterMs?: number }> {
  const family = isIP(address);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = send(url, {
      method: 'POST',
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      lookup: (_host, options, done) =>
        options.all ? done(null, [{ address, family }]) : done(null, address, family),
    });
    outgoing.on('response', (answer) => {
      const seconds = Number(answer.headers['retry-after']);
      resolve({
        status: answer.statusCode ?? 0,
        ...(seconds >= 0 && { retryAfterMs: seconds * 1_000 }),
      });
      answer.destroy();
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
