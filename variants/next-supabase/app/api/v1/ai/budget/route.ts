import { budgetOf } from '@/lib/ai/budget';
import { budget } from '@/lib/ai/schemas';
import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';

export const GET = handler(
  {
    operationId: 'getAiBudget',
    summary: "What the user has used of the month's tokens",
    access: 'ai:complete',
    answers: { 200: data(budget) },
  },
  async ({ caller }) => ok(await budgetOf(caller.userId)),
);
