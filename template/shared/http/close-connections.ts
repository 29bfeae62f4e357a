import type { ServerResponse } from 'node:http';

/**
 * Asks a client to close its connection once the process has been told to stop. It is decided when the head of an answer
 * is written, so that requests that were under way say so too: a connection that is kept would keep the process, and a
 * client that goes on using it would lose its request in the end. A stream has begun before: its connection is closed when
 * the stream ends.
 */
export function closeConnections(response: ServerResponse, isDraining: () => boolean): void {
  const { socket } = response;
  response.once('close', () => {
    if (isDraining()) socket?.end();
  });
  const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
  response.writeHead = (...head: unknown[]) => {
    if (isDraining()) response.setHeader('connection', 'close');
    return writeHead(...head);
  };
}
