/** What PostgreSQL adds to the message of an error. */
interface Reasons {
  readonly detail?: string;
  readonly hint?: string;
}

/** Returns an error with the migration that failed, PostgreSQL's reason and the statement. */
export function migrationError(migration: string, statement: string, error: Error & Reasons): Error {
  const { message, detail, hint } = error;
  const lines = [
    `${migration} failed: ${message}`,
    detail && `Detail: ${detail}`,
    hint && `Hint: ${hint}`,
    `Statement: ${statement.trim()}`,
  ];
  return new Error(lines.filter(Boolean).join('\n  '), { cause: error });
}
