import { gzipSync } from 'node:zlib';

/** What a hostile provider does with a request. */
export type Flood =
  /** One event without an end. */
  | 'one event'
  /** Small events without an end. */
  | 'small events'
  /** Reasoning and text by turns, each in a part of its own. */
  | 'alternating parts'
  /** A tool call whose input does not end. */
  | 'tool input'
  /** 60 MB of the letter a, compressed. */
  | 'compressed'
  /** 60 MB as an error. */
  | 'error body'
  /** No header fields at all. */
  | 'silence'
  /** A comment every 50 ms, and no event. */
  | 'comments';

export interface FloodServer {
  readonly url: string;
  readonly host: string;
  /** Requests that arrived, and bytes that the kernel took from the server. */
  readonly sent: { bytes: number; requests: number };
  /** What each request gets. */
  kind: Flood;
  stop(): void;
}

const SIZE = 60_000_000;
const BLOCK = 65_536;

/** A provider that speaks OpenAI's protocol and sends as much as the connection takes. */
export function startFlood(): FloodServer {
  const sent = { bytes: 0, requests: 0 };
  const server = Bun.listen<{
    timer?: NodeJS.Timer;
    rest: Generator<Uint8Array>;
    open?: Uint8Array | undefined;
  }>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.data = { rest: bytesOf(flood.kind) };
      },
      data(socket) {
        sent.requests++;
        if (flood.kind === 'silence' || socket.data.timer !== undefined) return;
        if (flood.kind !== 'comments') return pump(socket);
        socket.write(HEAD);
        socket.data.timer = setInterval(() => {
          sent.bytes += Math.max(0, socket.write(': still here\n\n'));
        }, 50);
      },
      drain: (socket) => pump(socket),
      close: (socket) => clearInterval(socket.data.timer),
      error: () => {},
    },
  });

  function pump(
    socket: Parameters<NonNullable<Parameters<typeof Bun.listen>[0]['socket']['data']>>[0],
  ): void {
    const state = socket.data as { rest: Generator<Uint8Array>; open?: Uint8Array | undefined };
    for (;;) {
      state.open ??= state.rest.next().value as Uint8Array | undefined;
      if (state.open === undefined) {
        socket.end();
        return;
      }
      const written = Math.max(0, socket.write(state.open));
      sent.bytes += written;
      if (written < state.open.length) {
        state.open = state.open.subarray(written);
        return;
      }
      state.open = undefined;
    }
  }

  const flood: FloodServer = {
    url: `http://127.0.0.1:${server.port}/v1`,
    host: `127.0.0.1:${server.port}`,
    sent,
    kind: 'one event',
    stop: () => server.stop(true),
  };
  return flood;
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n';

const event = (delta: object) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta }] })}\n\n`;

function* bytesOf(kind: Flood): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  if (kind === 'compressed') {
    const body = gzipSync(Buffer.from(`data: {"choices":[{"delta":{"content":"${'a'.repeat(SIZE)}"}}]}\n\n`));
    const head = HEAD.replace(
      'connection',
      `content-encoding: gzip\r\ncontent-length: ${body.length}\r\nconnection`,
    );
    yield encoder.encode(head);
    yield body;
    return;
  }
  yield encoder.encode(kind === 'error body' ? HEAD.replace('200 OK', '400 Bad Request') : HEAD);
  yield encoder.encode(event({ role: 'assistant', content: 'Hello' }));
  if (kind === 'one event') yield encoder.encode('data: {"choices":[{"delta":{"content":"');
  if (kind === 'tool input')
    yield encoder.encode(
      event({
        tool_calls: [
          { index: 0, id: 't', type: 'function', function: { name: 'currentTime', arguments: '{"a":"' } },
        ],
      }),
    );
  const block = encoder.encode(blockOf(kind));
  for (let bytes = 0; bytes < SIZE; bytes += block.length) yield block;
}

function blockOf(kind: Flood): string {
  const small = {
    'small events': event({ content: 'word ' }),
    'alternating parts': event({ reasoning_content: 'r' }) + event({ content: 'c' }),
    'tool input': event({ tool_calls: [{ index: 0, function: { arguments: 'aaaa' } }] }),
  }[kind as string];
  return small === undefined ? 'a'.repeat(BLOCK) : small.repeat(Math.ceil(BLOCK / small.length));
}
