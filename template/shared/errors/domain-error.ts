/** A value that JSON can carry. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * A failure that the domain knows by name. It says nothing about HTTP: `problem-catalog.ts` maps `code` to a status.
 *
 * @param code UPPER_SNAKE and stable: clients branch on it
 * @param context for the log only; it never reaches the client
 * @param members extension members of the problem document, which the client may see
 */
export class DomainError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly context: Readonly<Record<string, unknown>> = {},
    readonly members: Readonly<Record<string, Json>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** One fault of the input. `pointer` is a JSON Pointer (RFC 6901) into the body, or `/name` of a parameter. */
export interface InputFault {
  readonly pointer: string;
  readonly message: string;
}

/** The input was understood and is not acceptable. */
export class ValidationError extends DomainError {
  constructor(readonly faults: readonly InputFault[]) {
    super('The request is not valid. See errors for each fault.', 'VALIDATION_FAILED');
  }
}
