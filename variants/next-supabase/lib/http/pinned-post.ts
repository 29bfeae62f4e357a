import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { publicAddress } from './public-address';

interface Options {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
  /** `host` or `host:port`, which may be called wherever their addresses lie. */
  readonly allowedHosts: readonly string[];
}

/**
 * Posts to a URL that a user supplied. The connection goes to the address that was checked, for this request alone; the
 * certificate must be that of the name; a redirect is an answer like any other, and is not followed.
 *
 * @returns the status, and `Retry-After` in milliseconds where it is in seconds; the body is of no interest
 * @throws AddressNotAllowed
 */
export async function pinnedPost(
  to: string,
  { headers, body, timeoutMs, allowedHosts }: Options,
): Promise<{ status: number; retryAfterMs?: number }> {
  const url = new URL(to);
  const address = await publicAddress(url, new Set(allowedHosts.map((host) => host.toLowerCase())));
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
