import { type Drizzle, TenantDatabase } from '@app/database';
import type { Role } from '@app/shared';
import { Injectable } from '@nestjs/common';

/**
 * The tenant's rows, for services: `this.db.select().from(projects)`. Whatever runs on behalf of a tenant (a request, a
 * job, a consumer) has a scope, and every statement runs as that tenant; where there is no scope, nothing runs.
 *
 * A statement by itself is a transaction of its own. Several that belong together go into `transaction()`; nothing but
 * the database is waited for inside.
 */
@Injectable()
export class DatabaseService {
  readonly select: Drizzle['select'];
  readonly insert: Drizzle['insert'];
  readonly update: Drizzle['update'];
  readonly delete: Drizzle['delete'];
  readonly execute: Drizzle['execute'];

  constructor(private readonly tenants: TenantDatabase) {
    const { db } = tenants;
    this.select = db.select.bind(db);
    this.insert = db.insert.bind(db);
    this.update = db.update.bind(db);
    this.delete = db.delete.bind(db);
    this.execute = db.execute.bind(db);
  }

  /** The tenant on whose behalf the code runs; for the `tenantId` of new rows. */
  get tenantId(): string {
    return this.tenants.tenantId;
  }

  /** Has a statement, whose result nobody waits for, run last in the transaction that is open: it travels with COMMIT. */
  atCommit(statement: () => PromiseLike<unknown>): void {
    this.tenants.atCommit(statement);
  }

  /** Has a function called when the transaction that is open is committed. */
  afterCommit(callback: () => void): void {
    this.tenants.afterCommit(callback);
  }

  /** Returns the role of the member who makes the request, as the open transaction has read it. */
  role(): Promise<Role> {
    return this.tenants.role();
  }

  /** All of `work` or nothing. It may run more than once, so it must change nothing but the database. */
  transaction<Result>(work: () => PromiseLike<Result>): Promise<Result> {
    return this.tenants.transaction(work);
  }

  /** Like `transaction()`, for changes of memberships: no other such change of the tenant runs at the same time. */
  membersTransaction<Result>(work: () => PromiseLike<Result>): Promise<Result> {
    return this.tenants.transaction(work, { locksMembers: true });
  }
}
