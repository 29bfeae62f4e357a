import { DomainError } from './domain-error.js';

/** SQLSTATEs (PostgreSQL, appendix A) of transactions that certainly left nothing behind and may be run again. */
const RETRYABLE = new Set(['40001', '40P01']);

/** Errors of the socket or the pool, by Node's and pg's own words. */
const UNREACHABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
]);
const UNREACHABLE_MESSAGE =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error/;

interface DriverError {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly message?: unknown;
}

/** The five-character SQLSTATE of an error, looked for in the error itself and in what it wraps. */
export function sqlState(error: unknown): string | undefined {
  const code = driverError(error)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
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

/**
 * What a failure of PostgreSQL means to a client, or `undefined` where it is a fault of ours.
 * The texts are ours: PostgreSQL's own name tables, columns and values.
 */
export function postgresToDomainError(error: unknown): DomainError | undefined {
  const cause = { cause: error };
  const state = sqlState(error);
  const context = { sqlState: state, constraint: violatedConstraint(error) };
  const say = (message: string, code: string) => new DomainError(message, code, context, {}, cause);
  switch (state) {
    case '23505':
      return say('Something with the same unique value exists already.', 'CONFLICT');
    case '23503':
      return say('The request refers to something that does not exist, or is still referred to.', 'CONFLICT');
    case '23514':
    case '23P01':
      return say('The change would break a rule that the stored data must keep.', 'CONFLICT');
    case '22P02':
    case '22P05':
    case '22003':
    case '22007':
    case '22008':
    case '22021':
      return say('A value is outside of what can be stored.', 'BAD_REQUEST');
    case '55P03':
      return say('Others hold the lock that this request needs. Try again.', 'LOCK_TIMEOUT');
    case '57014':
      return say('The database did not finish in time.', 'STATEMENT_TIMEOUT');
    case '40001':
    case '40P01':
      return say('Concurrent requests kept colliding. Try again.', 'TRANSACTION_CONFLICT');
  }
  if (
    state?.startsWith('08') ||
    state?.startsWith('57P') ||
    state === '53300' ||
    state === '25P03' ||
    isUnreachable(error)
  ) {
    return say('The database cannot be reached right now. Try again.', 'DATABASE_UNAVAILABLE');
  }
  return undefined;
}

function isUnreachable(error: unknown): boolean {
  const driver = driverError(error);
  if (driver === undefined) return false;
  if (typeof driver.code === 'string' && UNREACHABLE_CODES.has(driver.code)) return true;
  return typeof driver.message === 'string' && UNREACHABLE_MESSAGE.test(driver.message);
}

/** ORMs wrap the driver's error: TypeORM in `driverError`, Drizzle and Prisma in `cause`. */
function driverError(error: unknown): DriverError | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { driverError: inner, cause } = error as { driverError?: unknown; cause?: unknown };
  if (typeof inner === 'object' && inner !== null) return inner;
  if (typeof (error as DriverError).code !== 'string' && typeof cause === 'object' && cause !== null)
    return driverError(cause);
  return error;
}
