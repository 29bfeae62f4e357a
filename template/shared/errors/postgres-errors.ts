import { DomainError } from './domain-error.js';
import { driverError, sqlState, violatedConstraint } from './sql-state.js';

/** Errors of the socket or the pool, by Node's and pg's own words. */
const UNREACHABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN', // DNS
  'ENETUNREACH',
[%- if variant == 'nest-prisma' %]
  // Prisma's words for them; P2024 and P2028 say that no connection was free, or that a transaction took too long.
  'ConnectionClosed',
  'DatabaseNotReachable',
  'P2024',
  'P2028',
  'SocketTimeout',
[%- endif %]
]);
const UNREACHABLE_MESSAGE =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error/;

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
    state?.startsWith('53') || // no disk space, memory or connections
    state === '25006' || // a read-only standby
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
