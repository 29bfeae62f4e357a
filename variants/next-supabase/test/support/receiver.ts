import { Webhook } from 'standardwebhooks';
import { startHttpServer } from './http-server';

export interface Received {
  readonly at: number;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A receiver of webhooks, which answers as it is told. */
export async function startReceiver() {
  const received: Received[] = [];
  const replies: { status: number; headers?: Record<string, string> }[] = [];
  const server = await startHttpServer((request, response, body) => {
    const headers = request.headers as Record<string, string>;
    received.push({ at: performance.now(), path: request.url ?? '', headers, body });
    const { status, headers: fields } = replies.shift() ?? { status: 204 };
    response.writeHead(status, fields).end();
  });
  return {
    ...server,
    received,
    /** What the next messages are answered with; after that all with 204. */
    reply: (...next: typeof replies) => replies.push(...next),
    reset() {
      received.length = 0;
      replies.length = 0;
    },
    /** The message, as the library reads it that receivers use. */
    verify: (secret: string, { headers, body }: Received) => new Webhook(secret).verify(body, headers),
  };
}
