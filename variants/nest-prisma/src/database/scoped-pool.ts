import pg from 'pg';
import { currentScope, SCOPE_STATEMENTS, scopeStatement } from './scope.js';
import { ScopedQuery } from './scoped-query.js';

/**
 * The pool that Prisma's adapter takes its connections from: outside of a scope no statement runs, and inside of one each
 * runs under it, so that row-level security holds behind whatever the code above asks for.
 */
export class ScopedPool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, onConnect: prepareScopes });
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
    const scope = scopeStatement(currentScope());
    const client = await this.connect();
    try {
      return await new Promise((resolve, reject) => {
        client.query(
          new ScopedQuery(config, scope, (error, result) => (error ? reject(error) : resolve(result))),
        );
      });
    } finally {
      client.release();
    }
  }
}

/** Parsed and planned once for a connection. */
async function prepareScopes(client: pg.ClientBase): Promise<void> {
  await client.query(SCOPE_STATEMENTS.map(({ name, text }) => `PREPARE ${name} AS ${text}`).join('; '));
}
