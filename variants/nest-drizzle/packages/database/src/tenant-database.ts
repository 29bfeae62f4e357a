import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import type { Role } from '@app/shared';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pRetry from 'p-retry';
import type { Pool, PoolClient, QueryConfig, QueryResult } from 'pg';
import { authorizeBy, authorizeMember } from './acting-member.js';
import { isRetryable } from './errors/sql-state.js';
import * as schema from './schema/index.js';
import { queryAsTenant, setTenant, type TenantContext } from './tenant-query.js';
import { withClient } from './with-client.js';

export type Schema = typeof schema;
export type Drizzle = NodePgDatabase<Schema>;

/** The code reached the database without saying for which tenant. That is a mistake in the code, never in a request. */
export class NoTenantError extends Error {
  override name = 'NoTenantError';

  constructor() {
    super(
      'There is no tenant here: run this inside TenantDatabase.run(), which requests, jobs and consumers do.',
    );
  }
}

interface Scope {
  /** Whom it is for; nobody yet in a scope that `open` has begun. */
  tenant: TenantContext | undefined;
  /** The transaction that is open in this scope, if one is. */
  readonly transaction?: Transaction;
}

interface Transaction {
  readonly client: PoolClient;
  /** The acting member's role, as this transaction has read it. */
  role: Promise<Role | undefined>;
  /** How many statements have been sent. */
  sent: number;
  /** Statements that travel with its COMMIT. */
  readonly atCommit: (() => PromiseLike<unknown>)[];
  /** What is to be done once it is committed. */
  readonly afterCommit: Set<() => void>;
}

interface TransactionOptions {
  /** Set it if the transaction changes memberships: no other such transaction of the tenant runs meanwhile. */
  readonly locksMembers?: boolean;
}

/** Until all that waits for nothing but promises has gone on. */
const promisesHaveRun = () => new Promise<void>((resolve) => process.nextTick(resolve));

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The only way to the tables of tenants. Every statement runs in a transaction whose `app.tenant_id` names the tenant of
 * the scope that it was called in; the policies do the rest. Outside of a scope nothing runs at all.
 *
 * A statement by itself is a transaction of its own, and takes one round trip (`TenantQuery`). Several that belong
 * together go into `transaction()`, which takes one round trip more than its statements: BEGIN and the tenant travel with
 * the first of them (pg's pipeline mode; the pool must come from `createPool`), and COMMIT with those of `atCommit()`.
 *
 * If the scope has a member, a transaction that may write begins with the member's role and session, read in the same
 * round trip. So a right ends for writes when it or the session is revoked, whatever the access token says.
 */
export class TenantDatabase {
  readonly #scopes = new AsyncLocalStorage<Scope>();
  /** Drizzle over whatever transaction the scope has. */
  readonly db: Drizzle;

  constructor(private readonly pool: Pool) {
    const client = { query: (config: QueryConfig, values?: unknown[]) => this.#query(named(config), values) };
    // Drizzle's session calls nothing of a client but `query`.
    this.db = drizzle({ client: client as unknown as PoolClient, schema });
  }

  /**
   * Runs a function on behalf of a tenant. Scopes do not nest: a tenant cannot be changed half-way.
   *
   * @param work may return a query of Drizzle's as it is: it is awaited, and so run, inside of the scope
   */
  async run<Result>(context: TenantContext, work: () => Result | PromiseLike<Result>): Promise<Result> {
    assertTenant(context, this.#scopes.getStore());
    return this.#scopes.run({ tenant: context }, async () => work());
  }

  /** Runs a function in a scope that is nobody's until `enter` says whose: where that is found out on the way. */
  open<Result>(work: () => Result): Result {
    return this.#scopes.run({ tenant: undefined }, work);
  }

  /** Says on whose behalf the rest of an open scope runs. Once: a tenant cannot be changed half-way. */
  enter(context: TenantContext): void {
    const scope = this.#scopes.getStore();
    if (scope === undefined) throw new NoTenantError();
    assertTenant(context, scope);
    scope.tenant = context;
  }

  /**
   * Reads and authorizes the acting member's role before the handler runs: for privileged requests, which may read or do
   * something outside of the database. Writes are authorized again in their transactions.
   */
  async authorize(): Promise<void> {
    const { member, ...tenant } = this.#tenant();
    if (member === undefined) throw new Error('This scope has no member to authorize.');
    await authorizeBy({ ...tenant, member }, (config) =>
      withClient(this.pool, (client) => queryAsTenant(client, tenant, config)),
    );
  }

  /** Returns the acting member's role, as the open transaction has read it. */
  async role(): Promise<Role> {
    const role = await this.#transaction().role;
    if (role === undefined) throw new Error('This transaction has no member, or may not write.');
    return role;
  }

  /** The tenant on whose behalf the code runs. */
  get tenantId(): string {
    return this.#tenant().tenantId;
  }

  /**
   * Runs several statements as one transaction; inside another one, as a part of that. A transaction that PostgreSQL
   * ended for the sake of another is run again, so `work` must change nothing but the database.
   */
  async transaction<Result>(
    work: () => PromiseLike<Result>,
    { locksMembers = false }: TransactionOptions = {},
  ): Promise<Result> {
    const tenant = this.#tenant();
    const open = this.#scopes.getStore()?.transaction;
    if (open === undefined) return retried(() => this.#transactionOnce(tenant, work, locksMembers));
    if (locksMembers) {
      open.role = authorized(open.client, tenant, true);
      await open.role;
    }
    return work();
  }

  /**
   * Has a statement, whose result nobody waits for, run as the last of the transaction that is open: it travels with
   * COMMIT. Where it fails, so does the transaction.
   */
  atCommit(statement: () => PromiseLike<unknown>): void {
    this.#transaction().atCommit.push(statement);
  }

  /** Has a function called when the transaction that is open is committed; if it is rolled back, not at all. */
  afterCommit(callback: () => void): void {
    this.#transaction().afterCommit.add(callback);
  }

  #transaction(): Transaction {
    const transaction = this.#scopes.getStore()?.transaction;
    if (transaction === undefined)
      throw new Error('There is no transaction: call this inside transaction().');
    return transaction;
  }

  async #transactionOnce<Result>(
    tenant: TenantContext,
    work: () => PromiseLike<Result>,
    locksMembers: boolean,
  ): Promise<Result> {
    const afterCommit: Transaction['afterCommit'] = new Set();
    const result = await withClient(this.pool, async (client) => {
      // Neither awaited nor sent at once: these travel with the first statement of `work`. If they fail, so does that.
      const { stream } = client.connection;
      stream.cork();
      process.nextTick(() => stream.uncork());
      const [beginning, setting] = [client.query('BEGIN'), setTenant(client, tenant)];
      const role = authorized(client, tenant, locksMembers);
      const begun = Promise.all([beginning, setting, role]);
      begun.catch(() => undefined);
      const transaction: Transaction = { client, role, sent: 0, atCommit: [], afterCommit };
      const scope = { tenant, transaction };
      const done = await this.#scopes
        .run(scope, async () => work())
        .catch(async (error: unknown) => {
          await begun; // a caller without the right is told that, and not what its statements found
          throw error;
        });
      await begun;
      const { command } = await this.#scopes.run(scope, () => this.#commit(transaction));
      // PostgreSQL answers a COMMIT of a failed transaction with a rollback; whoever swallowed the error learns of it.
      if (command !== 'COMMIT')
        throw new Error('The transaction was rolled back: an error in it was swallowed.');
      return done;
    });
    for (const callback of afterCommit) callback();
    return result;
  }

  /** Sends the last statements and COMMIT at once. */
  async #commit(transaction: Transaction): Promise<QueryResult> {
    const { client, atCommit } = transaction;
    if (atCommit.length === 0) return client.query('COMMIT');
    const { stream } = client.connection;
    stream.cork();
    const sentBefore = transaction.sent;
    const last = Promise.all(atCommit.map(async (statement) => statement()));
    last.catch(() => undefined);
    await promisesHaveRun();
    // One that waits for something else first would come after COMMIT.
    if (transaction.sent - sentBefore < atCommit.length) {
      stream.uncork();
      await last;
      return client.query('COMMIT');
    }
    const committed = client.query('COMMIT');
    stream.uncork();
    await Promise.allSettled([last, committed]);
    await last; // why it failed, where PostgreSQL answers the COMMIT with a rollback
    return committed;
  }

  async #query(config: QueryConfig, values?: unknown[]): Promise<QueryResult> {
    const tenant = this.#tenant();
    const { transaction } = this.#scopes.getStore() ?? {};
    if (transaction !== undefined) {
      transaction.sent += 1;
      return transaction.client.query(config, values);
    }
    if (tenant.member !== undefined && tenant.readOnly !== true)
      return this.transaction(() => this.#query(config, values));
    return retried(() => withClient(this.pool, (client) => queryAsTenant(client, tenant, config, values)));
  }

  #tenant(): TenantContext {
    const tenant = this.#scopes.getStore()?.tenant;
    if (tenant === undefined) throw new NoTenantError();
    return tenant;
  }
}

/** Authorizes the acting member, if the transaction has one and may write. */
async function authorized(
  client: PoolClient,
  { member, ...tenant }: TenantContext,
  locksMembers: boolean,
): Promise<Role | undefined> {
  if (member === undefined || tenant.readOnly === true) return undefined;
  return authorizeMember(client, { ...tenant, member }, locksMembers);
}

/** Runs a transaction again that PostgreSQL ended for the sake of another: a deadlock, a serialization failure. */
async function retried<Result>(transaction: () => Promise<Result>): Promise<Result> {
  try {
    return await transaction(); // nearly always enough, and without what watching over attempts costs
  } catch (error) {
    if (!isRetryable(error)) throw error;
  }
  return pRetry(transaction, {
    retries: 3,
    minTimeout: 10,
    maxTimeout: 200,
    randomize: true,
    shouldRetry: ({ error }) => isRetryable(error),
  });
}

function assertTenant({ tenantId }: TenantContext, current: Scope | undefined): void {
  if (!UUID.test(tenantId)) throw new TypeError('A tenant is named by a UUID.');
  if (current?.tenant !== undefined && current.tenant.tenantId !== tenantId)
    throw new Error('The code already runs for a tenant, and asks for another one.');
}

/** Statements whose text is short of this many kinds; beyond it the texts are made of data, and not worth remembering. */
const NAMES_MAX = 1_000;
const names = new Map<string, string>();

/**
 * Names a statement after its text, unless it has a name, so that each connection parses and plans it once. Planning a statement under row-level
 * security takes PostgreSQL longer than running it.
 */
function named(config: QueryConfig): QueryConfig {
  if (config.name !== undefined) return config;
  let name = names.get(config.text);
  if (name === undefined) {
    if (names.size >= NAMES_MAX) return config;
    const [verb = ''] = config.text.trimStart().split(/\W/, 1);
    name = `${verb.toLowerCase()}_${createHash('sha1').update(config.text).digest('base64url')}`;
    names.set(config.text, name);
  }
  return { ...config, name };
}
