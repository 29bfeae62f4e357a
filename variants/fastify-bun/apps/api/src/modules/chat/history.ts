import type { UIMessage } from 'ai';
import { estimateTokenCount } from 'tokenx';
import type { MessageRow } from './types.js';

/** What a message costs besides its text: its role and the marks around it. */
const TOKENS_PER_MESSAGE = 4;

/**
 * The newest messages that fit into a number of tokens, oldest first. The last one is always there, and none begins with an
 * answer, which some providers refuse. Tokens are estimated: every provider counts them in a way of its own.
 *
 * @param messages newest first
 */
export function fitHistory(messages: readonly MessageRow[], tokens: number): UIMessage[] {
  const kept: MessageRow[] = [];
  let left = tokens;
  for (const message of messages) {
    left -= estimateTokenCount(textOf(message)) + TOKENS_PER_MESSAGE;
    if (left < 0 && kept.length > 0) break;
    kept.push(message);
  }
  kept.reverse();
  const first = kept.findIndex(({ role }) => role === 'user');
  return kept
    .slice(Math.max(first, 0))
    .filter(({ parts }) => parts.length > 0)
    .map(({ id, role, parts }) => ({ id, role, parts: parts as UIMessage['parts'] }));
}

/** Everything that the model gets of a message: texts, and the calls and results of tools as JSON. */
function textOf({ parts }: MessageRow): string {
  return (parts as UIMessage['parts'])
    .map((part) => (part.type === 'text' ? part.text : JSON.stringify(part)))
    .join('\n');
}
