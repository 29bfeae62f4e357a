import { z } from 'zod';
import { beginCompletion, complete } from '@/lib/ai/complete';
import { completion, completionInput } from '@/lib/ai/schemas';
import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { streamed } from '@/lib/api/streamed';

export const POST = handler(
  {
    operationId: 'complete',
    summary: 'Asks a model: the whole answer, or with stream as server-sent events delta, done and error',
    access: 'ai:complete',
    asksOthers: true,
    body: completionInput,
    answers: {
      200: {
        'application/json': data(completion),
        'text/event-stream': z.unknown().describe('delta for each part of the text, then done, or error'),
      },
    },
    problems: [
      'AI_NOT_CONFIGURED',
      'AI_BUDGET_EXCEEDED',
      'AI_TOO_MANY_ANSWERS',
      'INTEGRATION_UNAVAILABLE',
      'INTEGRATION_RATE_LIMITED',
      'INTEGRATION_TIMEOUT',
      'INTEGRATION_REFUSED',
      'INTEGRATION_TOO_LARGE',
    ],
  },
  async ({ request, caller, body }) => {
    const abandoned = new AbortController();
    request.signal.addEventListener('abort', () => abandoned.abort(), { once: true });
    if (request.signal.aborted) abandoned.abort();
    if (!body.stream) return ok(await complete(caller.userId, body, abandoned.signal));
    const parts = await beginCompletion(caller.userId, body, abandoned.signal);
    const about = {
      instance: request.nextUrl.pathname,
      requestId: request.headers.get('x-request-id') ?? '',
    };
    const events = {
      part: (text: string) => ({ event: 'delta', data: { text } }),
      end: (end: unknown) => ({ event: 'done', data: end }),
    };
    return { status: 200, stream: streamed(parts, events, about, abandoned) };
  },
);
