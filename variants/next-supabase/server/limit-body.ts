import type { IncomingMessage } from 'node:http';

/**
 * Counts a body while it is read. Next.js has all of it before a handler is called, so a handler could not stop a client
 * that never ends, nor be told of one that says nothing of the length.
 *
 * @param limit in bytes
 * @param refuse called once, when the body is larger
 */
export function limitBody(request: IncomingMessage, limit: number, refuse: () => void): void {
  let size = 0;
  const count = (chunk: Buffer) => {
    size += chunk.byteLength;
    if (size <= limit) return;
    request.off('data', count);
    refuse();
  };
  // Not with `on`, which would let the body flow before anybody else listens.
  request.prependListener('data', count);
}
