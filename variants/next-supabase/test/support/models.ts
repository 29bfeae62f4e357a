import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHttpServer } from './http-server';

/** What a request gets instead of the usual answer. */
export interface Behaviour {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  /** Says nothing more after so many parts, and leaves the connection open. */
  readonly stallAfter?: number;
  /** Cuts the connection after so many parts. */
  readonly breakAfter?: number;
  /** Sends so many bytes without the end of a line, and then goes on with the answer. */
  readonly flood?: number;
  /** Repeats the parts without end. */
  readonly endless?: true;
  /** Begins with a part of so many characters. */
  readonly long?: number;
  /** Does not say what was used. */
  readonly uncounted?: true;
}

export interface SeenRequest {
  readonly service: 'openai' | 'anthropic';
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
  readonly key: string;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is each provider's own
  readonly body: any;
}

const PARTS = ['Hello', ', ', 'world'];
const FLOOD = ':'.repeat(64 * 1024);

/** What an answer costs. */
export const USAGE = { inputTokens: 11, outputTokens: 7 };

/** A server that speaks as OpenAI and Anthropic do, and fails on demand. */
export async function startModels() {
  const requests: SeenRequest[] = [];
  const left = { count: 0 };
  const next: Record<SeenRequest['service'], Behaviour[]> = { openai: [], anthropic: [] };

  const server = await startHttpServer(async (request, response, text) => {
    const service = request.url?.endsWith('/messages') ? 'anthropic' : 'openai';
    const key = request.headers.authorization?.replace('Bearer ', '') ?? String(request.headers['x-api-key']);
    requests.push({ service, at: performance.now(), key, body: JSON.parse(text) });
    const behaviour = next[service].shift() ?? {};
    if (behaviour.status !== undefined) {
      response.writeHead(behaviour.status, { 'content-type': 'application/json', ...behaviour.headers });
      response.end(
        JSON.stringify({ type: 'error', error: { type: 'error', message: `${key} was not good` } }),
      );
      return;
    }
    response.on('close', () => {
      if (!response.writableFinished) left.count++;
    });
    await stream(response, service === 'openai' ? openai(behaviour) : anthropic(behaviour), behaviour);
  });

  return {
    ...server,
    requests,
    left,
    /** What the next requests to a service get, in this order; after that all get an answer. */
    next: (service: SeenRequest['service'], ...behaviours: Behaviour[]) => next[service].push(...behaviours),
    reset() {
      requests.length = 0;
      left.count = 0;
      next.openai.length = 0;
      next.anthropic.length = 0;
    },
    settings: {
      OPENAI_API_KEY: 'sk-openai-canary-0123456789',
      OPENAI_BASE_URL: `${server.url}/v1`,
      ANTHROPIC_API_KEY: 'sk-ant-canary-0123456789',
      ANTHROPIC_BASE_URL: server.url,
    },
  };
}

/** The events before the text, one for each part of it, and those after it. */
interface Events {
  readonly before: readonly string[];
  readonly parts: readonly string[];
  readonly after: readonly string[];
}

async function stream(
  response: ServerResponse,
  events: Events,
  { stallAfter, breakAfter, flood = 0, endless }: Behaviour,
) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events.before) response.write(event);
  for (let sent = 0; sent < flood && !response.destroyed; sent += FLOOD.length) {
    if (!response.write(FLOOD)) {
      await once(response, 'drain', { signal: AbortSignal.timeout(1_000) }).catch(() => {});
    }
  }
  while (endless && !response.destroyed) {
    for (const part of events.parts) response.write(part);
    await sleep(20);
  }
  for (const [index, part] of events.parts.entries()) {
    if (index === stallAfter) return;
    if (index === breakAfter) return void response.destroy();
    response.write(part);
    await sleep(5);
  }
  for (const event of events.after) response.write(event);
  response.end();
}

const event = (data: unknown, name?: string) =>
  `${name === undefined ? '' : `event: ${name}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

const partsOf = ({ long }: Behaviour) => (long === undefined ? PARTS : ['x'.repeat(long), ...PARTS]);

function openai(behaviour: Behaviour): Events {
  const chunk = (delta: object, finish: string | null = null) =>
    event({ ...about, choices: [{ index: 0, delta, finish_reason: finish }] });
  const about = { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm' };
  const usage = {
    prompt_tokens: USAGE.inputTokens,
    completion_tokens: USAGE.outputTokens,
    total_tokens: USAGE.inputTokens + USAGE.outputTokens,
  };
  return {
    before: [chunk({ role: 'assistant', content: '' })],
    parts: partsOf(behaviour).map((content) => chunk({ content })),
    after: [
      chunk({}, 'stop'),
      ...(behaviour.uncounted ? [] : [event({ ...about, choices: [], usage })]),
      event('[DONE]'),
    ],
  };
}

function anthropic(behaviour: Behaviour): Events {
  const typed = (data: { type: string } & Record<string, unknown>) => event(data, data.type);
  const message = {
    id: 'm1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: USAGE.inputTokens, output_tokens: 0 },
  };
  return {
    before: [
      typed({ type: 'message_start', message }),
      typed({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ],
    parts: partsOf(behaviour).map((text) =>
      typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    ),
    after: [
      typed({ type: 'content_block_stop', index: 0 }),
      typed({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: USAGE.outputTokens },
      }),
      typed({ type: 'message_stop' }),
    ],
  };
}
