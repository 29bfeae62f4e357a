import pg from 'pg';
import type { ScopeStatement } from './scope.js';

type Done = (error: Error | undefined, result: pg.QueryResult) => void;

/** pg's query with the methods by which its client has it sent, and hands it the answer; pg's types leave them out. */
interface ClientQuery {
  submit(connection: pg.Connection): unknown;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: pg.Connection): void;
}
const ClientQuery = pg.Query as unknown as new (
  config: pg.QueryConfig & { queryMode: 'extended' },
  done: Done,
) => ClientQuery;

/**
 * A statement under a scope, which takes one round trip. What is sent between two Syncs is one transaction (PostgreSQL,
 * 54.2.4, Pipelining): first the settings of the scope, local to it, and then the statement; where one of them fails, nothing
 * has been done. BEGIN and COMMIT would be two more statements for each that the service runs.
 */
export class ScopedQuery extends ClientQuery {
  #isScopeSet = false;

  /** @param scope is prepared on the connection, see `ScopedPool` */
  constructor(
    config: pg.QueryConfig,
    private readonly scope: ScopeStatement,
    done: Done,
  ) {
    super({ ...config, queryMode: 'extended' }, done);
  }

  override submit(connection: pg.Connection): unknown {
    connection.stream.cork(); // all of it leaves as one packet
    try {
      connection.bind({ statement: this.scope.name, values: this.scope.values }, true);
      connection.execute({}, true);
      return super.submit(connection);
    } finally {
      connection.stream.uncork();
    }
  }

  /** What set_config returns is nothing for the caller. */
  override handleDataRow(message: unknown): void {
    if (this.#isScopeSet) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: pg.Connection): void {
    if (this.#isScopeSet) super.handleCommandComplete(message, connection);
    else this.#isScopeSet = true;
  }
}
