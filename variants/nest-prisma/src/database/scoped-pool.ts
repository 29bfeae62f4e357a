import pg from 'pg';
import { currentScope, type Plans, SCOPE_STATEMENTS, scopeStatement } from './scope.js';
import { queryInScope } from './scoped-query.js';

/**
 * The pool that Prisma's adapter takes its connections from: outside of a scope no statement runs, and inside of one each
 * runs under it, so that row-level security holds behind whatever the code above asks for.
 */
export class ScopedPool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, onConnect: prepareConnection });
    // A connection that is lost while in use fails its statements, and says so by itself as well: without a listener that
    // would end the process.
    this.on('connect', (client) => client.on('error', () => undefined));
  }

  /** The one form that Prisma's adapter calls; the others of pg are not there. */
  override query(...[config]: unknown[]): never {
    return this.#queryInScope(config as pg.QueryConfig) as never;
  }

  /** A statement that reads no table, and so needs no scope: whether PostgreSQL answers. */
  async ping(): Promise<void> {
    const client = await this.connect();
    try {
      await client.query('SELECT 1');
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async #queryInScope(config: pg.QueryConfig): Promise<pg.QueryResult> {
    const scope = scopeStatement(currentScope(), plansOf(config));
    const client = await this.connect();
    try {
      return await queryInScope(client, scope, config);
    } finally {
      client.release();
    }
  }
}

/**
 * A row that is looked for is found in the same way whatever the parameters are: that is planned once for a connection, and
 * not each time, which takes PostgreSQL longer than running it. By itself it never would for Prisma's: where `LIMIT` and
 * `OFFSET` are parameters, it takes the plan for all of them to be worse. Which index a sorted page is best read by depends
 * on the filters' values; a plan for all of them may read a whole organization.
 */
function plansOf({ text }: pg.QueryConfig): Plans {
  return LOOKS_FOR_A_ROW.test(text ?? '') ? 'force_generic_plan' : 'auto';
}

const LOOKS_FOR_A_ROW = /^SELECT (?!.* ORDER BY ).* LIMIT \$\d+ OFFSET \$\d+$/s;

async function prepareConnection(client: pg.ClientBase): Promise<void> {
  await client.query(SCOPE_STATEMENTS.map(({ name, text }) => `PREPARE ${name} AS ${text}`).join('; '));
}
