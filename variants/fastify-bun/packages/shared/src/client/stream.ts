/** How often a broken connection is taken up again before it is given up, and how long is waited before, in milliseconds. */
const ATTEMPTS = 5;
const WAIT_MS = 200;

/** A chunk of the AI SDK's UI message stream: `text-delta`, `tool-input-available`, `error`, `finish`, ... */
export type StreamChunk = { readonly type: string } & Readonly<Record<string, unknown>>;

/**
 * Reads an answer to its end, through as many connections as it takes.
 *
 * @param open begins the answer
 * @param resume goes on with it behind an event
 */
export async function* readAnswer(
  open: () => Promise<Response>,
  resume: (messageId: string, lastEventId: number) => Promise<Response>,
  signal?: AbortSignal,
): AsyncGenerator<StreamChunk> {
  let response = await open();
  let messageId: string | undefined;
  let lastEventId = 0;
  for (let attempt = 0; ; ) {
    let failure: unknown = new Error('the connection was closed before the answer was whole');
    try {
      for await (const { id, data } of readEvents(response)) {
        attempt = 0;
        if (data === '[DONE]') return;
        if (id !== undefined) lastEventId = id;
        const chunk = JSON.parse(data) as StreamChunk;
        if (chunk.type === 'start' && typeof chunk.messageId === 'string') messageId = chunk.messageId;
        yield chunk;
      }
    } catch (error) {
      failure = error;
    }
    let next: Response | undefined;
    while (next === undefined) {
      if (signal?.aborted || messageId === undefined || ++attempt > ATTEMPTS) throw failure;
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS * attempt));
      next = await resume(messageId, lastEventId).catch((error: unknown) => {
        failure = error;
        return undefined;
      });
    }
    // The answer is over, and its events are not kept any more.
    if (next.status === 204) return;
    response = next;
  }
}

async function* readEvents({ body }: Response): AsyncGenerator<{ id: number | undefined; data: string }> {
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const id = /^id: (\d+)$/m.exec(block)?.[1];
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) yield { id: id === undefined ? undefined : Number(id), data };
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
