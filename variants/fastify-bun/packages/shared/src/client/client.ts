import type { z } from 'zod';
import type { Problem } from '../schemas/common.js';
import { OPERATIONS, type Operation } from './operations.js';
import { readAnswer, type StreamChunk } from './stream.js';

export interface ClientOptions {
  /** Where the service answers, without a slash at the end. */
  readonly baseUrl: string;
  /** Headers that say who calls: `authorization` or `x-api-key`. A browser's cookie needs none. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** The service has answered with a problem document. */
export class ProblemError extends Error {
  override name = 'ProblemError';

  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

/** The names in a path: `'id' | 'messageId'` of `/chats/{id}/messages/{messageId}`. */
type Names<Path> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

type Params<Op extends Operation> = [Names<Op['path']>] extends [never]
  ? unknown
  : Record<Names<Op['path']>, string>;
type Query<Op extends Operation> = Op extends { query: infer Q extends z.ZodType }
  ? { query?: z.input<Q> }
  : unknown;
type Body<Op extends Operation> = Op extends { body: infer B extends z.ZodType }
  ? { body: z.input<B> }
  : unknown;
type Version<Op extends Operation> = Op extends { isVersioned: true } ? { version: number } : unknown;
type Key<Op extends Operation> = Op extends { isKeyed: true } ? { idempotencyKey?: string } : unknown;
type Input<Op extends Operation> = Params<Op> & Query<Op> & Body<Op> & Version<Op> & Key<Op>;
type Arguments<Op extends Operation> =
  unknown extends Input<Op>
    ? []
    : Record<never, never> extends Input<Op>
      ? [input?: Input<Op>]
      : [input: Input<Op>];

type Operations = {
  readonly [Name in keyof typeof OPERATIONS]: (
    ...input: Arguments<(typeof OPERATIONS)[Name]>
  ) => Promise<z.output<(typeof OPERATIONS)[Name]['answer']>>;
};

export type Client = Operations & {
  /** Sends a message, and hands out the answer bit by bit; a connection that breaks is taken up again where it was. */
  streamMessage(input: { id: string; content: string; signal?: AbortSignal }): AsyncGenerator<StreamChunk>;
};

/**
 * A client of this service for browsers and programs. What it sends and gets is held to the schemas that the service itself uses;
 * points in time are `Date`.
 *
 * @throws ProblemError where the service refuses
 */
export function createClient({ baseUrl, headers = {}, fetch = globalThis.fetch }: ClientOptions): Client {
  async function request(
    method: string,
    path: string,
    body?: unknown,
    init: RequestInit = {},
  ): Promise<Response> {
    const response = await fetch(baseUrl + path, {
      credentials: 'include',
      ...init,
      method,
      headers: {
        ...headers,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...init.headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new ProblemError((await response.json()) as Problem);
    return response;
  }

  async function call(
    { method, path, answer }: Operation,
    input: Record<string, unknown> = {},
  ): Promise<unknown> {
    const {
      query = {},
      body,
      version,
      idempotencyKey,
      ...params
    } = input as {
      query?: object;
      body?: unknown;
      version?: number;
      idempotencyKey?: string;
    } & Record<string, string>;
    const search = new URLSearchParams(
      Object.entries(query).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, String(value)] as [string, string]],
      ),
    );
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? ''));
    const response = await request(method, search.size > 0 ? `${filled}?${search}` : filled, body, {
      headers: {
        ...(version !== undefined && { 'if-match': `"${version}"` }),
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      },
    });
    const text = await response.text();
    return answer.parse(text === '' ? undefined : JSON.parse(text));
  }

  const operations = Object.fromEntries(
    Object.entries(OPERATIONS).map(([name, operation]) => [
      name,
      (input?: Record<string, unknown>) => call(operation, input),
    ]),
  ) as unknown as Operations;

  return {
    ...operations,
    streamMessage: ({ id, content, signal }) => {
      const path = `/chats/${encodeURIComponent(id)}/messages`;
      const init = signal === undefined ? {} : { signal };
      return readAnswer(
        () => request('POST', path, { content, stream: true }, init),
        (messageId, lastEventId) =>
          request('GET', `${path}/${messageId}/stream`, undefined, {
            ...init,
            headers: { 'last-event-id': String(lastEventId) },
          }),
        signal,
      );
    },
  };
}
