import type { HttpClient } from './service.js';
import type { TestUser } from './users.js';

export interface ServerSentEvent {
  readonly id: number | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of it
  readonly data: any;
}

/** An open stream of events, read one by one. */
export interface EventReader {
  readonly status: number;
  readonly headers: Headers;
  /** The next event; undefined after the last one. */
  next(): Promise<ServerSentEvent | undefined>;
  /** All events up to one that fits. */
  until(fits: (event: ServerSentEvent) => boolean): Promise<ServerSentEvent[]>;
  rest(): Promise<ServerSentEvent[]>;
  /** Closes the connection in the middle. */
  leave(): void;
}

export async function openEvents(
  { url }: HttpClient,
  { auth }: TestUser,
  path: string,
  { body, lastEventId }: { body?: object; lastEventId?: number } = {},
): Promise<EventReader> {
  const abort = new AbortController();
  const response = await fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    signal: abort.signal,
    headers: {
      ...auth,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(lastEventId !== undefined && { 'last-event-id': String(lastEventId) }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const stream = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';

  async function next(): Promise<ServerSentEvent | undefined> {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const event = parse(block);
        if (event !== undefined) return event;
        continue;
      }
      const read = await stream?.read();
      if (read === undefined || read.done) return undefined;
      text += read.value;
    }
  }

  async function until(fits: (event: ServerSentEvent) => boolean): Promise<ServerSentEvent[]> {
    const seen: ServerSentEvent[] = [];
    for (let event = await next(); event !== undefined; event = await next()) {
      seen.push(event);
      if (fits(event)) break;
    }
    return seen;
  }

  return {
    status: response.status,
    headers: response.headers,
    next,
    until,
    rest: () => until(() => false),
    leave: () => abort.abort(),
  };
}

function parse(block: string): ServerSentEvent | undefined {
  const id = /^id: (\d+)$/m.exec(block)?.[1];
  const data = /^data: (.*)$/m.exec(block)?.[1];
  if (data === undefined) return undefined;
  return { id: id === undefined ? undefined : Number(id), data: data === '[DONE]' ? data : JSON.parse(data) };
}

/** The text of an answer, as its events tell it. */
export function textIn(events: readonly ServerSentEvent[]): string {
  return events.map(({ data }) => (data.type === 'text-delta' ? data.delta : '')).join('');
}
