/** SQLSTATEs (PostgreSQL, appendix A) of transactions that certainly left nothing behind and may be run again. */
const RETRYABLE = new Set(['40001', '40P01']);

export interface DriverError {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly message?: unknown;
}

/** The five-character SQLSTATE of an error, looked for in the error itself and in what it wraps. */
export function sqlState(error: unknown): string | undefined {
  const code = driverError(error)?.code;
  return typeof code === 'string' && [% if variant == 'nest-prisma' %]/^(?!P[1-6])[0-9A-Z]{5}$/[% else %]/^[0-9A-Z]{5}$/[% endif %].test(code) ? code : undefined;
}

/** Whether PostgreSQL rolled the transaction back for the sake of another one (serialization failure, deadlock). */
export function isRetryable(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && RETRYABLE.has(state);
}

/** The name of the constraint that refused a row, if one did. */
export function violatedConstraint(error: unknown): string | undefined {
  const constraint = driverError(error)?.constraint;
  return typeof constraint === 'string' ? constraint : undefined;
}

[% if variant == 'nest-prisma' -%]
/** What Prisma's adapter makes of an error of the driver. `kind` is a word of its own, for what has no code as well. */
interface AdapterError {
  readonly kind: string;
  readonly originalCode?: string;
  readonly originalMessage?: string;
  readonly constraint?: { readonly index?: string };
}

/**
 * The error of the driver. Prisma wraps it, in `meta` where a query failed and in `cause` where COMMIT did. Prisma's own
 * codes look like SQLSTATEs, and are none.
 */
export function driverError(error: unknown): DriverError | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('kind' in error) {
    const { kind, originalCode: code = kind, originalMessage: message, constraint } = error as AdapterError;
    return { code, message, constraint: constraint?.index };
  }
  const { meta, cause } = error as { meta?: { driverAdapterError?: unknown }; cause?: unknown };
  if (meta?.driverAdapterError !== undefined) return driverError(meta.driverAdapterError);
[% else -%]
/** The error of the driver. ORMs wrap it: TypeORM in `driverError`, Drizzle in `cause`. */
export function driverError(error: unknown): DriverError | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { driverError: inner, cause } = error as { driverError?: unknown; cause?: unknown };
  if (typeof inner === 'object' && inner !== null) return inner;
[% endif %]  if (typeof (error as DriverError).code !== 'string' && typeof cause === 'object' && cause !== null)
    return driverError(cause);
  return error;
}
