import pg from 'pg';

declare module 'pg' {
  // What pg calls on its own queries, and its types do not name.
  interface Query<R, I> {
    requiresPreparation(): boolean;
    prepare(connection: pg.Connection): void;
    handleDataRow(message: unknown): void;
    handleCommandComplete(message: unknown, connection: pg.Connection): void;
  }
}

/** A statement that sets the scope of a transaction. For `queryInScope` the connection must have prepared it. */
export interface ScopeStatement {
  readonly name: string;
  readonly text: string;
  readonly values: string[];
}

/**
 * A statement that is a transaction of its own, under settings that are local to it.
 *
 * In PostgreSQL's extended query protocol everything up to a Sync is one implicit transaction (54.2.4, Pipelining). So the
 * settings and the statement go in one message to PostgreSQL and one back, where BEGIN, SET LOCAL and COMMIT would each be
 * parsed, run and answered. Where one of the two fails, nothing has been done.
 */
export class ScopedQuery extends pg.Query {
  /** Whether PostgreSQL has answered that the scope is set; what it answers from then on is about the statement. */
  private isScopeSet = false;

  constructor(
    private readonly scope: ScopeStatement,
    config: pg.QueryConfig,
    values: unknown[] | undefined,
    callback: (error: Error | undefined, result: pg.QueryResult) => void,
  ) {
    super(config, values, callback);
  }

  /** By the extended protocol, also where the statement has no parameters. */
  override requiresPreparation(): boolean {
    return true;
  }

  override prepare(connection: pg.Connection): void {
    connection.bind({ statement: this.scope.name, values: this.scope.values }, true);
    connection.execute({}, true);
    super.prepare(connection);
  }

  override handleDataRow(message: unknown): void {
    if (this.isScopeSet) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: pg.Connection): void {
    if (this.isScopeSet) super.handleCommandComplete(message, connection);
    this.isScopeSet = true;
  }
}

/** Runs one statement under a scope, in a transaction of its own. The connection must have no transaction open. */
export function queryInScope(
  client: pg.ClientBase,
  scope: ScopeStatement,
  config: pg.QueryConfig,
  values?: unknown[],
): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | undefined, result: pg.QueryResult) =>
      error ? reject(error) : resolve(result);
    client.query(new ScopedQuery(scope, config, values, settle));
  });
}
