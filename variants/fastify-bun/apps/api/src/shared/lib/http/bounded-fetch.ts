import type { Fetch } from './pinned-fetch.js';

/** What is read of one response, in bytes. */
export interface ResponseLimits {
  readonly response: number;
  /** Between two line feeds: an event of a stream is a line, and parsers hold a line in memory until it ends. */
  readonly line: number;
}

/** The response is longer than allowed, or compressed, so that its length is unknown. */
export class ResponseTooLargeError extends Error {
  override name = 'ResponseTooLargeError';
}

const LINE_FEED = 10;

/** Bounds what servers of strangers make this process read: bytes per response and per line, and no compression. */
export function createBoundedFetch(fetch: Fetch, limits: ResponseLimits): Fetch {
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    headers.set('accept-encoding', 'identity');
    const response = await fetch(url, { ...init, headers });
    const { body, status, statusText } = response;
    if (body === null) return response;
    const refusal = refusalOf(response, limits);
    if (refusal !== undefined) {
      await body.cancel();
      throw refusal;
    }
    return new Response(boundedBody(body, limits), { status, statusText, headers: response.headers });
  };
}

function refusalOf({ headers }: Response, { response }: ResponseLimits): ResponseTooLargeError | undefined {
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') return new ResponseTooLargeError(`compressed response refused: ${encoding}`);
  if (Number(headers.get('content-length') ?? 0) > response)
    return new ResponseTooLargeError(`response longer than ${response} bytes refused`);
  return undefined;
}

/**
 * The body, which fails behind its last allowed chunk. It is read as fast as it arrives and at most up to the limit: what nobody
 * reads would be buffered by Bun without one.
 */
function boundedBody(source: ReadableStream<Uint8Array>, limits: ResponseLimits): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  const chunks: Uint8Array[] = [];
  let end: { readonly error?: unknown } | undefined;
  let change = Promise.withResolvers<void>();

  async function readAll(): Promise<void> {
    let total = 0;
    let line = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      total += value.length;
      line = lineAfter(value, line, limits.line);
      if (total > limits.response || line > limits.line) {
        const [bytes, what] = total > limits.response ? [limits.response, 'response'] : [limits.line, 'line'];
        throw new ResponseTooLargeError(`${what} longer than ${bytes} bytes refused`);
      }
      chunks.push(value);
      change.resolve();
    }
  }
  async function pump(): Promise<void> {
    try {
      await readAll();
      end = {};
    } catch (error) {
      end = { error };
      await reader.cancel(error).catch(() => {});
    } finally {
      change.resolve();
    }
  }
  void pump();

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (chunks.length === 0 && end === undefined) {
        await change.promise;
        change = Promise.withResolvers();
      }
      const chunk = chunks.shift();
      if (chunk !== undefined) controller.enqueue(chunk);
      else if (end !== undefined && 'error' in end) controller.error(end.error);
      else controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/** @returns the length of the line that is open behind a chunk, or of one in it that is longer than allowed */
function lineAfter(chunk: Uint8Array, before: number, max: number): number {
  let line = before;
  let start = 0;
  for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
    line += end - start;
    if (line > max) return line;
    line = 0;
    start = end + 1;
  }
  return line + chunk.length - start;
}
