import { describe, expect, it } from '[[ test_api ]]';
import { postgresToDomainError } from '../../src/[[ common_folder ]]/errors/postgres-errors.js';
import { isRetryable, sqlState } from '../../src/[[ common_folder ]]/errors/sql-state.js';

/** An error as pg raises it, with words that a client must not see. */
function driverError(code: string): Error {
  return Object.assign(new Error('Key (email)=(ada@example.com) of table "accounts"'), {
    code,
    constraint: 'UQ_email',
  });
}

[% if variant == 'nest-prisma' -%]
/** As Prisma's adapter throws it, which is what reaches us where COMMIT fails. */
function byAdapter({ code, message }: Error & { code?: string }): Error {
  const cause = { kind: 'postgres', originalCode: code, originalMessage: message };
  return Object.assign(new Error('postgres', { cause }), { name: 'DriverAdapterError' });
}

/** As Prisma hands that on where a query fails. */
function inMeta(error: Error): Error {
  return Object.assign(new Error('query failed'), {
    code: 'P2010',
    meta: { driverAdapterError: byAdapter(error) },
  });
}

[% endif -%]
const WRAPPED: [string, (error: Error) => unknown][] = [
  ['as it is', (error) => error],
[%- if variant == 'nest-prisma' %]
  ['as the adapter of Prisma throws it', byAdapter],
  ['as Prisma wraps it', inMeta],
[%- else %]
  ['as TypeORM wraps it', (error) => Object.assign(new Error('query failed'), { driverError: error })],
[%- endif %]
  ['as the cause of another', (error) => new Error('query failed', { cause: error })],
];

describe.each(WRAPPED)('an error of PostgreSQL, %s,', (_how, wrap) => {
  it.each([
    ['23505', 'CONFLICT'],
    ['23503', 'CONFLICT'],
    ['23514', 'CONFLICT'],
    ['22P02', 'BAD_REQUEST'],
    ['22003', 'BAD_REQUEST'],
    ['55P03', 'LOCK_TIMEOUT'],
    ['57014', 'STATEMENT_TIMEOUT'],
    ['40P01', 'TRANSACTION_CONFLICT'],
    ['40001', 'TRANSACTION_CONFLICT'],
    ['57P01', 'DATABASE_UNAVAILABLE'],
    ['53300', 'DATABASE_UNAVAILABLE'],
    ['53100', 'DATABASE_UNAVAILABLE'],
    ['25006', 'DATABASE_UNAVAILABLE'],
    ['EAI_AGAIN', 'DATABASE_UNAVAILABLE'],
    ['ECONNREFUSED', 'DATABASE_UNAVAILABLE'],
  ])('%s means %s, and its words stay here', (code, expected) => {
    const error = postgresToDomainError(wrap(driverError(code)));
    expect(error?.code).toBe(expected);
    expect(error?.message).not.toMatch(/ada@|accounts/);
  });

  it('is a fault of ours where a client cannot have caused it', () => {
    expect(postgresToDomainError(wrap(driverError('42P01')))).toBeUndefined();
  });

  it('may be tried again only where the transaction was ended for the sake of another', () => {
    const retryable = ['40001', '40P01', '23505', '55P03', '57014', '08006'].filter((code) =>
      isRetryable(wrap(driverError(code))),
    );
    expect(retryable).toEqual(['40001', '40P01']);
  });
});

it.each([undefined, null, 'text', new Error('no code'), { code: 23505 }, { code: 'ENOENT' }])(
  '%j has no SQLSTATE',
  (error) => {
    expect(sqlState(error)).toBeUndefined();
    expect(postgresToDomainError(error)).toBeUndefined();
  },
);
