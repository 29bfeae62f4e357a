import { config } from '@/lib/config/config';
import { pool } from '@/lib/database/pool';
import { asUser } from '@/lib/database/transaction';
import { DomainError } from '@/lib/errors/domain-error';
import type { Message, TokenUsage } from './model';

/**
 * What a token has at least, about: what is reserved is rather too much. In Chinese, Japanese and Korean a character, of three
 * bytes in UTF-8, is up to one and a half tokens.
 */
const ASCII_PER_TOKEN = 3;
const BYTES_PER_TOKEN = 2;

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
  return messages.reduce((sum, { content }) => {
    const others = content.replace(/[\0-\x7f]+/g, '');
    const bytes = Buffer.byteLength(others);
    const ascii = content.length - others.length;
    return sum + Math.ceil(ascii / ASCII_PER_TOKEN + bytes / BYTES_PER_TOKEN);
  }, 0);
}

/**
 * Sets tokens of the user's budget aside before a model is asked: requests at the same moment cannot all use the last of
 * it. What is never settled, since the process has ended, is given back after ten minutes.
 *
 * @returns the id of the reservation
 * @throws DomainError AI_BUDGET_EXCEEDED, AI_TOO_MANY_ANSWERS
 */
export async function reserve(userId: string, tokens: number): Promise<string> {
  const { AI_TOKENS_PER_MONTH, AI_CONCURRENT_ANSWERS_MAX } = config();
  const { rows } = await pool().query<{ id: string | null; busy: boolean }>(
    'SELECT id, busy FROM private.reserve_ai_tokens($1, $2, $3, $4)',
    [userId, tokens, AI_TOKENS_PER_MONTH, AI_CONCURRENT_ANSWERS_MAX],
  );
  const [{ id, busy } = { id: null, busy: false }] = rows;
  if (id) return id;
  if (busy) {
    throw new DomainError(
      `At most ${AI_CONCURRENT_ANSWERS_MAX} answers are given to a user at the same time. Try again when one has ended.`,
      'AI_TOO_MANY_ANSWERS',
    );
  }
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
