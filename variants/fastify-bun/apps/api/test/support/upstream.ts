/** What the fake provider does with one request. */
export interface Behaviour {
  /** Answers with this status instead of a text. */
  readonly status?: number;
  readonly headers?: Record<string, string>;
  /** The parts of the text. */
  readonly chunks?: readonly string[];
  /** Between two parts, in milliseconds. */
  readonly delayMs?: number;
  /** Says nothing more after so many parts, and leaves the connection open. */
  readonly stallAfter?: number;
  /** Cuts the connection after so many parts: at once, or on a sign, since what is on its way is lost as well. */
  readonly breakAfter?: number;
  readonly sign?: Promise<void>;
  /** Asks for a tool first; the next request then brings its result. */
  readonly toolCall?: { readonly name: string; readonly input: object };
}

export interface SeenRequest {
  readonly path: string;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is each provider's own
  readonly body: any;
}

/** A server that speaks as OpenAI, Anthropic and Google do, and does what it is told to. */
export interface Upstream {
  readonly url: string;
  readonly host: string;
  readonly requests: SeenRequest[];
  /** Requests whose client has left before the end. */
  readonly aborted: { count: number };
  /** What the next requests get, in this order; after that all get `usual`. */
  next(...behaviours: Behaviour[]): void;
  usual: Behaviour;
  reset(): void;
  stop(): Promise<void>;
}

const USAGE = { input: 11, output: 7 };

export function startUpstream(): Upstream {
  const queue: Behaviour[] = [];
  const requests: SeenRequest[] = [];
  const aborted = { count: 0 };

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const body = (await request.json()) as SeenRequest['body'];
      requests.push({ path: pathname, headers: request.headers, body });
      const behaviour = queue.shift() ?? upstream.usual;
      const dialect = dialectOf(pathname);
      if (behaviour.status !== undefined) {
        const echoed = `refused, and here is your key: ${request.headers.get('authorization') ?? ''}`;
        return Response.json(dialect.error(echoed), { status: behaviour.status, headers: behaviour.headers });
      }
      const isStream = body.stream === true || pathname.endsWith(':streamGenerateContent');
      if (!isStream) return Response.json(dialect.whole(behaviour));
      return new Response(stream(dialect.events(behaviour), behaviour, request.signal, aborted), {
        headers: { 'content-type': 'text/event-stream' },
      });
    },
  });

  const upstream: Upstream = {
    url: `http://127.0.0.1:${server.port}`,
    host: `127.0.0.1:${server.port}`,
    requests,
    aborted,
    usual: { chunks: ['Hello', ', ', 'world'] },
    next: (...behaviours) => void queue.push(...behaviours),
    reset() {
      queue.length = 0;
      requests.length = 0;
      aborted.count = 0;
      upstream.usual = { chunks: ['Hello', ', ', 'world'] };
    },
    stop: () => server.stop(true),
  };
  return upstream;
}

/** The events before the text, one for each part of it, and those after it. */
interface Events {
  readonly before: readonly string[];
  readonly parts: readonly string[];
  readonly after: readonly string[];
}

interface Dialect {
  whole(behaviour: Behaviour): object;
  events(behaviour: Behaviour): Events;
  error(message: string): object;
}

/** How the provider speaks whose endpoint has this path. */
export function dialectOf(path: string): Dialect {
  if (path.endsWith('/messages')) return anthropic;
  return path.includes(':') ? google : openai;
}

const event = (data: unknown, name?: string) =>
  `${name === undefined ? '' : `event: ${name}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

const textOf = ({ chunks = [] }: Behaviour) => chunks.join('');

const openai: Dialect = {
  error: (message) => ({ error: { message, type: 'error', code: null } }),
  whole: (behaviour) => ({
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [
      { index: 0, message: { role: 'assistant', content: textOf(behaviour) }, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: USAGE.input, completion_tokens: USAGE.output, total_tokens: 18 },
  }),
  events({ chunks = [], toolCall }) {
    const chunk = (delta: object, finish: string | null = null) =>
      event({
        id: 'c1',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [{ index: 0, delta, finish_reason: finish }],
      });
    const usage = event({
      id: 'c1',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [],
      usage: { prompt_tokens: USAGE.input, completion_tokens: USAGE.output, total_tokens: 18 },
    });
    if (toolCall !== undefined) {
      const call = { name: toolCall.name, arguments: JSON.stringify(toolCall.input) };
      return {
        before: [
          chunk({
            role: 'assistant',
            tool_calls: [{ index: 0, id: 't1', type: 'function', function: call }],
          }),
        ],
        parts: [],
        after: [chunk({}, 'tool_calls'), usage, event('[DONE]')],
      };
    }
    return {
      before: [chunk({ role: 'assistant', content: '' })],
      parts: chunks.map((content) => chunk({ content })),
      after: [chunk({}, 'stop'), usage, event('[DONE]')],
    };
  },
};

const anthropic: Dialect = {
  error: (message) => ({ type: 'error', error: { type: 'api_error', message } }),
  whole: (behaviour) => ({
    id: 'm1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [{ type: 'text', text: textOf(behaviour) }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: USAGE.input, output_tokens: USAGE.output },
  }),
  events({ chunks = [] }) {
    const typed = (data: { type: string } & Record<string, unknown>) => event(data, data.type);
    const message = {
      id: 'm1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: USAGE.input, output_tokens: 0 },
    };
    return {
      before: [
        typed({ type: 'message_start', message }),
        typed({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      ],
      parts: chunks.map((text) =>
        typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
      ),
      after: [
        typed({ type: 'content_block_stop', index: 0 }),
        typed({
          type: 'message_delta',
          delta: { stop_reason: 'end_turn', stop_sequence: null },
          usage: { output_tokens: USAGE.output },
        }),
        typed({ type: 'message_stop' }),
      ],
    };
  },
};

const google: Dialect = {
  error: (message) => ({ error: { code: 400, message, status: 'ERROR' } }),
  whole: (behaviour) => candidate(textOf(behaviour), 'STOP'),
  events: ({ chunks = [] }) => ({
    before: [],
    parts: chunks.map((text) => event(candidate(text))),
    after: [event(candidate('', 'STOP'))],
  }),
};

function candidate(text: string, finishReason?: string) {
  return {
    candidates: [
      { content: { role: 'model', parts: [{ text }] }, index: 0, ...(finishReason && { finishReason }) },
    ],
    usageMetadata: {
      promptTokenCount: USAGE.input,
      candidatesTokenCount: USAGE.output,
      totalTokenCount: USAGE.input + USAGE.output,
    },
  };
}

/** Sends events as the behaviour says, and notices a client that leaves. */
function stream(
  { before, parts, after }: Events,
  { delayMs = 0, stallAfter, breakAfter, sign }: Behaviour,
  signal: AbortSignal,
  aborted: { count: number },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isOver = false;
  const leave = () => {
    if (!isOver) aborted.count++;
    isOver = true;
  };
  signal.addEventListener('abort', leave);
  return new ReadableStream({
    async start(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      for (const each of before) send(each);
      for (const [index, part] of parts.entries()) {
        if (index === stallAfter) return;
        if (index === breakAfter) {
          await sign;
          isOver = true;
          controller.error(new Error('broken off on demand'));
          return;
        }
        if (isOver) return;
        send(part);
        await Bun.sleep(delayMs);
      }
      if (stallAfter !== undefined || isOver) return;
      for (const each of after) send(each);
      isOver = true;
      controller.close();
    },
    cancel: leave,
  });
}
