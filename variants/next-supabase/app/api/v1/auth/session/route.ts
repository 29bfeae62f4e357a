import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';

export const GET = handler({ access: 'session' }, async ({ caller }) =>
  ok({ userId: caller.userId, sessionId: caller.sessionId }),
);
