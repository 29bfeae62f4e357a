import { AsyncLocalStorage } from 'node:async_hooks';
import pRetry from 'p-retry';
import { isRetryable } from '../common/errors/sql-state.js';
import { Prisma } from '../generated/prisma/client.js';
import { IsolationError } from './isolation.js';
import type { IsolatedClient, IsolatedTransaction } from './prisma-client.js';
import { throughRawDoor } from './raw-door.js';
import {
  assertScope,
  currentScope,
  isOrganizationScope,
  NoScopeError,
  type OrganizationScope,
  type Scope,
  scopes,
} from './scope.js';

export interface TransactionOptions {
  readonly isolationLevel?: Prisma.TransactionIsolationLevel;
}

/** How long a transaction may wait for a connection, and how long it may take, in milliseconds. */
export interface TransactionLimits {
  readonly maxWait: number;
  readonly timeout: number;
}

interface OpenTransaction {
  readonly client: IsolatedTransaction;
  /** What is done once it is committed. */
  readonly afterCommit: (() => Promise<void>)[];
}

/**
 * The only way to the database. What runs here runs on behalf of an organization, or of a person who signs in; outside of
 * `run()` nothing does.
 */
export class Database {
  readonly #transactions = new AsyncLocalStorage<OpenTransaction>();

  constructor(
    private readonly isolated: IsolatedClient,
    private readonly limits: TransactionLimits,
  ) {}

  /**
   * Prisma's client: that of the transaction where one is open. Take it anew for each operation, and await the operation
   * where you call it.
   */
  get client(): IsolatedTransaction {
    return this.#transactions.getStore()?.client ?? this.isolated;
  }

  /** The organization on whose behalf the code runs. @throws NoScopeError */
  get scope(): OrganizationScope {
    const scope = currentScope();
    if (!isOrganizationScope(scope)) throw new NoScopeError();
    return scope;
  }

  /**
   * Runs a function on behalf of an organization or of a person. An organization's scope cannot be left for another one
   * half-way; a person who signs in may go on to an organization.
   *
   * @param work may return a query of Prisma's as it is: it is awaited, and so run, inside of the scope
   */
  async run<Result>(scope: Scope, work: () => Result | PromiseLike<Result>): Promise<Result> {
    assertScope(scope);
    const outer = scopes.getStore();
    if (outer !== undefined && isOrganizationScope(outer) && !isSame(outer, scope)) {
      throw new IsolationError(
        'The code already runs on behalf of an organization, and asks for another scope.',
      );
    }
    if (outer !== undefined && this.#transactions.getStore() !== undefined && !isSame(outer, scope)) {
      throw new IsolationError('A transaction is open, and has its scope already.');
    }
    return scopes.run(scope, async () => work());
  }

  /**
   * Runs several operations as one transaction; inside of another one, as a part of that. One that PostgreSQL ended for the
   * sake of another (serialization failure, deadlock) is run again, so `work` must change nothing but the database.
   */
  async transaction<Result>(
    work: (client: IsolatedTransaction) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    const open = this.#transactions.getStore();
    if (open !== undefined) return work(open.client);
    const attempt = async () => {
      const afterCommit: OpenTransaction['afterCommit'] = [];
      const result = await this.isolated.$transaction(
        (client) => this.#transactions.run({ client, afterCommit }, () => work(client)),
        { ...this.limits, ...options },
      );
      return { result, afterCommit };
    };
    const { result, afterCommit } = await pRetry(attempt, {
      retries: 4,
      minTimeout: 10,
      maxTimeout: 200,
      randomize: true,
      shouldRetry: ({ error }) => isRetryable(error),
    });
    for (const hook of afterCommit) await hook();
    return result;
  }

  /**
   * Does something once the transaction that is open has been committed, and never where it is not; at once where none is
   * open. For what others are told: a job that is added inside of a transaction may run before there is anything to do.
   *
   * @param work sees to its own failures: what is committed stays, and nobody is told
   */
  async afterCommit(work: () => Promise<void>): Promise<void> {
    const open = this.#transactions.getStore();
    if (open === undefined) await work();
    else open.afterCommit.push(work);
  }

  /**
   * The only door for SQL of one's own. The statement is built from the organization's id, and refused where it does not
   * use it; row-level security stands behind it.
   *
   * @param build makes the statement: Prisma.sql`SELECT ... WHERE organization_id = ${organizationId}::uuid`
   */
  async sql<Row>(build: (organizationId: string) => Prisma.Sql): Promise<Row[]> {
    const { organizationId } = this.scope;
    const statement = build(organizationId);
    if (!statement.values.includes(organizationId)) {
      throw new IsolationError(
        'The statement does not name the organization: add WHERE organization_id = the id that it is built from.',
      );
    }
    return throughRawDoor(async () => this.client.$queryRaw<Row[]>(statement));
  }
}

function isSame(one: Scope, other: Scope): boolean {
  return (
    isOrganizationScope(one) &&
    isOrganizationScope(other) &&
    one.organizationId === other.organizationId &&
    one.userId === other.userId
  );
}
