import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import type { SqlQuery } from '@prisma/driver-adapter-utils';
import { currentScope, type Scope, scopeStatement } from './scope.js';
import type { ScopedPool } from './scoped-pool.js';

/** Statements whose text is short of this many kinds; beyond it the texts are made of data, and not worth remembering. */
const NAMES_MAX = 1_000;

/** Prisma's adapter for PostgreSQL, with the scope set in interactive and batch transactions as well. */
export class ScopedPrismaPg extends PrismaPg {
  constructor(pool: ScopedPool) {
    super(pool, { statementNameGenerator: statementNames() });
  }

  override async connect() {
    const adapter = await super.connect();
    const start = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (isolationLevel) => {
      const statement = setScope(currentScope());
      const transaction = await start(isolationLevel);
      try {
        await transaction.executeRaw(statement);
      } catch (error) {
        await transaction.executeRaw({ sql: 'ROLLBACK', args: [], argTypes: [] }).catch(() => undefined);
        await transaction.rollback(); // which only gives the connection back
        throw error;
      }
      return transaction;
    };
    return adapter;
  }
}

function setScope(scope: Scope): SqlQuery {
  const { text, values } = scopeStatement(scope);
  return { sql: text, args: values, argTypes: values.map(() => ({ scalarType: 'string', arity: 'scalar' })) };
}

/** Names a statement after its text, so that each connection parses and plans it once: see `ScopedPool`. */
function statementNames(): (query: SqlQuery) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    let name = names.get(sql);
    if (name === undefined && names.size < NAMES_MAX) {
      name = createHash('sha1').update(sql).digest('base64url');
      names.set(sql, name);
    }
    return name ?? ''; // which is no name
  };
}
