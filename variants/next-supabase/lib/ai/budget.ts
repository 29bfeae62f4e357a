import { config } from '@/lib/config/config';
import { pool } from '@/lib/database/pool';
import { asUser } from '@/lib/database/transaction';
import { DomainError } from '@/lib/errors/domain-error';
import type { Message, TokenUsage } from './model';

/** How many characters a token has at least, about: what is reserved is rather too much. */
const CHARACTERS_PER_TOKEN = 3;

/** What a user may use of models in a calendar month (UTC), in tokens. */
export interface Budget {
  readonly limit: number;
  readonly used: number;
  /** When the next month begins. */
  readonly resetsAt: string;
}

/** The user's budget. What is being answered at the moment is not in it. */
export async function budgetOf(userId: string): Promise<Budget> {
  const rows = await asUser(userId, async (tx) => {
    const result = await tx.query<{ tokens: number }>(
      'SELECT tokens FROM ai_usage WHERE user_id = $1 AND month = $2',
      [userId, monthOf(new Date())],
    );
    return result.rows;
  });
  return {
    limit: config().AI_TOKENS_PER_MONTH,
    used: rows[0]?.tokens ?? 0,
    resetsAt: nextMonth(new Date()).toISOString(),
  };
}

/** About how many tokens a conversation has. */
export function estimateTokens(messages: readonly Pick<Message, 'content'>[]): number {
  return messages.reduce((sum, { content }) => sum + Math.ceil(content.length / CHARACTERS_PER_TOKEN), 0);
}

/**
 * Sets tokens of the user's budget aside before a model is asked: requests at the same moment cannot all use the last of
 * it. What is never settled, since the process has ended, is given back after ten minutes.
 *
 * @returns the id of the reservation
 * @throws DomainError AI_BUDGET_EXCEEDED
 */
export async function reserve(userId: string, tokens: number): Promise<string> {
  const { AI_TOKENS_PER_MONTH } = config();
  const { rows } = await pool().query<{ id: string | null }>(
    'SELECT private.reserve_ai_tokens($1, $2, $3) AS id',
    [userId, tokens, AI_TOKENS_PER_MONTH],
  );
  const id = rows[0]?.id;
  if (id) return id;
  const seconds = Math.ceil((nextMonth(new Date()).getTime() - Date.now()) / 1_000);
  throw new DomainError(
    `This would be more than the ${AI_TOKENS_PER_MONTH} tokens of a month. Ask for less, or wait for the next month.`,
    'AI_BUDGET_EXCEEDED',
    {},
    { retryAfter: seconds },
  );
}

/** Puts what was used in the place of what was set aside, and records it as usage. */
export async function settle(
  userId: string,
  reservation: string,
  usage: TokenUsage,
  about: { readonly provider: string; readonly model: string },
): Promise<void> {
  await pool().query('SELECT private.settle_ai_tokens($1, $2, $3, $4)', [
    userId,
    reservation,
    usage.inputTokens + usage.outputTokens,
    { ...about, ...usage },
  ]);
}

/** Gives back what was set aside: no model has answered. */
export async function release(userId: string, reservation: string): Promise<void> {
  await pool().query('SELECT private.settle_ai_tokens($1, $2, 0, NULL)', [userId, reservation]);
}

const monthOf = (time: Date) => `${time.toISOString().slice(0, 7)}-01`;

const nextMonth = (time: Date) => new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + 1));
