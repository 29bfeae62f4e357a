import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { currentSession } from '@/lib/auth/schemas';

export const GET = handler(
  {
    operationId: 'readSession',
    summary: 'Who is signed in',
    access: 'session',
    answers: { 200: data(currentSession) },
  },
  async ({ caller }) => ok({ userId: caller.userId, sessionId: caller.sessionId }),
);
