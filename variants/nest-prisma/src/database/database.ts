import { AsyncLocalStorage } from 'node:async_hooks';
import pRetry from 'p-retry';
import { ForbiddenError, NotAMemberError } from '../auth/auth.errors.js';
import { includesRole, type Role } from '../auth/principal.js';
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
  /** Locks all memberships of the organization, so that changes of members and invitations run one after the other. */
  readonly locksMembers?: boolean;
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
    return scopes.run(withRequirement(scope, outer), async () => work());
  }

  /**
   * Runs several operations as one transaction; inside of another one, as a part of that. One that PostgreSQL ended for the
   * sake of another (serialization failure, deadlock) is run again, so `work` must change nothing but the database.
   *
   * It begins with the role of the user who acts, if the scope requires one: a request that takes the role away waits for the
   * transaction, or the transaction fails.
   *
   * @throws NotAMemberError, ForbiddenError
   */
  async transaction<Result>(
    work: (client: IsolatedTransaction) => Promise<Result>,
    { locksMembers = false, ...options }: TransactionOptions = {},
  ): Promise<Result> {
    const open = this.#transactions.getStore();
    if (open !== undefined) {
      if (locksMembers) await this.authorize(locksMembers);
      return work(open.client);
    }
    const attempt = async () => {
      const afterCommit: OpenTransaction['afterCommit'] = [];
      const result = await this.isolated.$transaction(
        (client) =>
          this.#transactions.run({ client, afterCommit }, async () => {
            await this.authorize(locksMembers);
            return work(client);
          }),
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

  /** Locks the membership of the user who acts, or all of the organization, and checks the role that the scope requires. */
  private async authorize(locksMembers: boolean): Promise<void> {
    const scope = currentScope();
    if (!isOrganizationScope(scope)) return;
    const { organizationId, userId, requires } = scope;
    const isRequired = requires !== undefined && userId !== null;
    if (!isRequired && !locksMembers) return;
    // In one order, so that two who change each other's membership do not wait for each other.
    const members = await this.sql<{ user_id: string; role: Role }>((id) =>
      locksMembers
        ? Prisma.sql`SELECT user_id, role::text FROM memberships
                      WHERE organization_id = ${id}::uuid ORDER BY user_id FOR UPDATE`
        : Prisma.sql`SELECT user_id, role::text FROM memberships
                      WHERE organization_id = ${id}::uuid AND user_id = ${userId}::uuid FOR SHARE`,
    );
    if (!isRequired) return;
    const member = members.find((each) => each.user_id === userId);
    if (member === undefined) throw new NotAMemberError(organizationId);
    if (!includesRole(member.role, requires)) throw new ForbiddenError(`members with the role ${requires}`);
  }
}

/** What is required of a request is required of everything that runs inside of it. */
function withRequirement(scope: Scope, outer: Scope | undefined): Scope {
  if (outer === undefined || !isOrganizationScope(outer) || !isOrganizationScope(scope)) return scope;
  return { ...scope, requires: scope.requires ?? outer.requires };
}

function isSame(one: Scope, other: Scope): boolean {
  return (
    isOrganizationScope(one) &&
    isOrganizationScope(other) &&
    one.organizationId === other.organizationId &&
    one.userId === other.userId
  );
}
