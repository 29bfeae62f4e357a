import { Injectable } from '@nestjs/common';
import { AuditLog, membersOf } from '../audit-log/audit-log.service.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { VersionConflictError } from '../common/errors/version-conflict.error.js';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { containing, listFilter } from '../common/pagination/list.query.js';
import { Database } from '../database/database.js';
import type { Customer, Prisma } from '../generated/prisma/client.js';
import type { TrackingStatus } from '../generated/prisma/enums.js';
import { TrackingNameTakenError } from '../trackings/trackings.errors.js';
import {
  CustomerEmailTakenError,
  CustomerHasTrackingsError,
  CustomerNotFoundError,
} from './customers.errors.js';
import type { CreateCustomerDto } from './dto/create-customer.dto.js';
import { CustomerResponse } from './dto/customer-response.dto.js';
import type { ListCustomersQuery } from './dto/list-customers.query.js';
import type { UpdateCustomerDto } from './dto/update-customer.dto.js';

/** Statuses of trackings of which Google has something, or may have soon. */
const AT_GOOGLE = ['SETTING_UP', 'ACTIVE', 'PAUSED'] as const satisfies TrackingStatus[];

/** Operations that may have left something of a failed tracking at Google: they are not finished, or were not taken back. */
const LEFTOVERS = {
  OR: [
    { status: { in: ['PENDING', 'RUNNING', 'COMPENSATING'] } },
    { status: 'FAILED', steps: { some: { state: { in: ['DONE', 'RUNNING'] } } } },
  ],
} satisfies Prisma.TrackingSetupWhereInput;

/** The customers of the organization that the code runs for: see `Database` for how that is kept. */
@Injectable()
export class CustomersService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** @throws CustomerEmailTakenError */
  async create(wish: CreateCustomerDto): Promise<Customer> {
    return this.write(async () => {
      const customer = await this.database.client.customer.create({ data: normalize(wish) });
      await this.audit.record('customer.created', customer.id);
      return customer;
    });
  }

  /** @throws CustomerNotFoundError */
  async get(id: string): Promise<Customer> {
    const customer = await this.database.client.customer.findFirst({ where: { id } });
    if (customer === null) throw new CustomerNotFoundError(id);
    return customer;
  }

  async list({ limit, cursor, sort, ...query }: ListCustomersQuery): Promise<Page<CustomerResponse>> {
    const keyset = new Keyset(sort, limit);
    const { status, search } = query;
    const customers = await this.database.client.customer.findMany({
      where: {
        ...listFilter(query),
        ...(status !== undefined && { status }),
        AND: [keyset.after(cursor), search === undefined ? {} : matches(search)],
      },
      ...keyset.arguments,
    });
    return keyset.page(customers, CustomerResponse.of);
  }

  /**
   * Changes a customer that is still at `version`: of two who read the same version, the second is told to read again.
   *
   * @throws CustomerNotFoundError, VersionConflictError, CustomerEmailTakenError
   */
  async update(id: string, version: number, wish: UpdateCustomerDto): Promise<Customer> {
    return this.write(async () => {
      const [customer] = await this.database.client.customer.updateManyAndReturn({
        where: { id, version },
        data: { ...normalize(wish), version: { increment: 1 } },
      });
      if (customer === undefined) throw await this.whyNotAt(id, version);
      await this.audit.record('customer.updated', id, { members: membersOf(wish) });
      return customer;
    });
  }

  /**
   * Deletes a customer with its trackings, softly: `restore` brings back what was deleted together. Trackings of which Google has
   * something are not deleted along: that takes jobs of their own, and each may fail.
   *
   * @throws CustomerNotFoundError, VersionConflictError, CustomerHasTrackingsError
   */
  async remove(id: string, version: number): Promise<void> {
    await this.write(async () => {
      const deletedAt = new Date();
      const { customer, tracking } = this.database.client;
      const { count } = await customer.updateMany({
        where: { id, version },
        data: { deletedAt, version: { increment: 1 } },
      });
      if (count === 0) throw await this.whyNotAt(id, version);
      const trackings = await tracking.updateMany({
        where: {
          customerId: id,
          status: { notIn: [...AT_GOOGLE] },
          NOT: { status: 'FAILED', setups: { some: LEFTOVERS } },
        },
        data: { deletedAt, version: { increment: 1 } },
      });
      // Behind the locks on the others: one whose setup was begun meanwhile is among these.
      const kept = await tracking.count({ where: { customerId: id } });
      if (kept > 0) throw new CustomerHasTrackingsError(id, kept);
      await this.audit.record('customer.deleted', id, { trackings: trackings.count });
    });
  }

  /**
   * Brings a deleted customer back, with the trackings that were deleted with it. One that is not deleted stays as it is.
   *
   * @throws CustomerNotFoundError, CustomerEmailTakenError, TrackingNameTakenError
   */
  async restore(id: string): Promise<Customer> {
    return this.write(async () => {
      const { customer, tracking } = this.database.client;
      const deleted = await customer.findUnique({ where: { id, deletedAt: { not: null } } });
      if (deleted === null) return this.get(id);
      const data = { deletedAt: null, version: { increment: 1 } };
      const where = { deletedAt: deleted.deletedAt };
      const [restored] = await customer.updateManyAndReturn({ where: { id, ...where }, data });
      if (restored === undefined) return this.get(id); // by somebody else, just now
      const trackings = await tracking.updateMany({ where: { customerId: id, ...where }, data });
      await this.audit.record('customer.restored', id, { trackings: trackings.count });
      return restored;
    });
  }

  private async whyNotAt(id: string, version: number): Promise<Error> {
    await this.get(id);
    return new VersionConflictError(id, version);
  }

  private async write<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await this.database.transaction(work);
    } catch (error) {
      switch (violatedConstraint(error)) {
        case 'customers_organization_id_email_key':
          throw new CustomerEmailTakenError();
        case 'trackings_organization_id_customer_id_name_key':
          throw new TrackingNameTakenError();
        default:
          throw error;
      }
    }
  }
}

/** Addresses are compared in lower case. */
function normalize<Wish extends { readonly email?: string }>(wish: Wish): Wish {
  return { ...wish, ...(wish.email !== undefined && { email: wish.email.toLowerCase() }) };
}

function matches(search: string) {
  return { OR: [{ name: containing(search) }, { email: containing(search) }] };
}
