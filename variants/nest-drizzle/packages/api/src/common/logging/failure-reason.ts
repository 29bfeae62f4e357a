import { DomainError } from '../errors/domain-error.js';
import { messageOf } from './logger.js';

interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
}

/**
 * Returns why something failed, without anything that users have written: for queues, tables and streams, which keep it
 * longer than a log. Errors of Drizzle name the parameters of their query, and messages of DomainErrors may repeat input.
 */
export function failureReason(error: unknown): string {
  if (error instanceof DomainError) return error.code;
  if (!(error instanceof Error)) return 'unknown error';
  const { cause } = error;
  return cause instanceof Error ? `${messageOf(error)}: ${failureReason(cause)}` : messageOf(error);
}

/** Returns the error with `failureReason` as its message, also in its stack: queues store both. */
export function withoutInput(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(failureReason(error));
  const { name, stack = '' } = error;
  const reason = failureReason(error);
  const frames = stack.replace(error.message, '').match(/^ +at .*$/gm) ?? [];
  return Object.assign(error, { message: reason, stack: [`${name}: ${reason}`, ...frames].join('\n') });
}

/** Returns what breaks a schema, without values and without keys below the top level, which users may have chosen. */
export function issuesOf({ issues }: { readonly issues: readonly Issue[] }): string {
  return issues.map(({ code, path: [member = '(root)'] }) => `${String(member)}: ${code}`).join(', ');
}
