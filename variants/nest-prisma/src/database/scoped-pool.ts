import pg from 'pg';
import { currentScope, isIdentityScope, scopeSettings, scopeStatement } from './scope.js';

/**
 * The pool that Prisma's adapter takes its connections from: outside of a scope no statement runs, and inside of one each
 * runs under it, so that row-level security holds behind whatever the code above asks for.
 *
 * A statement by itself becomes a transaction of its own, sent as one: BEGIN, the scope, the statement and COMMIT travel
 * together and take one round trip (pg's pipeline mode). The scope is local to the transaction (`SET LOCAL`): a connection
 * that goes back to the pool remembers nothing.
 */
export class ScopedPool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, pipeline: true });
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
    const opening = openTransaction();
    const client = await this.connect();
    let lost: Error | undefined;
    try {
      const [result] = await inOnePacket(client, () => {
        const opened = opening.map((statement) => client.query(statement));
        return Promise.all([client.query(config), client.query('COMMIT'), ...opened]);
      });
      return result;
    } catch (error) {
      // Where the statement failed, COMMIT has ended the transaction as a rollback. This is for a connection that broke.
      await client.query('ROLLBACK').catch((reason: Error) => {
        lost = reason;
      });
      throw error;
    } finally {
      client.release(lost);
    }
  }
}

/** What is sent meanwhile leaves as one packet: PostgreSQL is woken once, and so is the kernel here. */
function inOnePacket<Result>(client: pg.PoolClient, send: () => Result): Result {
  const { stream } = (client as pg.PoolClient & Pick<pg.Client, 'connection'>).connection;
  stream.cork();
  try {
    return send();
  } finally {
    stream.uncork();
  }
}

/** The statements that begin a transaction under the current scope. @throws NoScopeError */
function openTransaction(): (string | pg.QueryConfig)[] {
  const scope = currentScope();
  // An address is nothing for the text of a statement, which traces have; ids are, and spare PostgreSQL a statement.
  if (isIdentityScope(scope)) return ['BEGIN', { name: 'scope', ...scopeStatement(scope) }];
  const settings = Object.entries(scopeSettings(scope));
  return [
    `BEGIN; ${settings.map(([name, value]) => `SET LOCAL ${name} = ${pg.escapeLiteral(value)}`).join('; ')}`,
  ];
}
