import { Injectable } from '@nestjs/common';
import { AuditLog, membersOf } from '../audit-log/audit-log.service.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { VersionConflictError } from '../common/errors/version-conflict.error.js';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { containing, listFilter } from '../common/pagination/list.query.js';
import { CustomerNotFoundError } from '../customers/customers.errors.js';
import { Database } from '../database/database.js';
import { Prisma, type Tracking } from '../generated/prisma/client.js';
import type { CreateTrackingDto } from './dto/create-tracking.dto.js';
import type { ListTrackingsQuery } from './dto/list-trackings.query.js';
import { TrackingResponse } from './dto/tracking-response.dto.js';
import type { UpdateTrackingDto } from './dto/update-tracking.dto.js';
import { CustomerDeletedError, TrackingNameTakenError, TrackingNotFoundError } from './trackings.errors.js';

/** The trackings of the organization that the code runs for: see `Database` for how that is kept. */
@Injectable()
export class TrackingsService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** @throws CustomerNotFoundError, TrackingNameTakenError */
  async create(wish: CreateTrackingDto): Promise<Tracking> {
    return this.write(async () => {
      if (!(await this.holdCustomer(wish.customerId))) throw new CustomerNotFoundError(wish.customerId);
      const tracking = await this.database.client.tracking.create({ data: wish });
      const { customerId, kind } = tracking;
      await this.audit.record('tracking.created', tracking.id, { customerId, kind });
      return tracking;
    });
  }

  /** @throws TrackingNotFoundError */
  async get(id: string): Promise<Tracking> {
    const tracking = await this.database.client.tracking.findUnique({ where: { id } });
    if (tracking === null) throw new TrackingNotFoundError(id);
    return tracking;
  }

  async list({ limit, cursor, sort, ...query }: ListTrackingsQuery): Promise<Page<TrackingResponse>> {
    const keyset = new Keyset(sort, limit);
    const { customerId, kind, status, search } = query;
    const trackings = await this.database.client.tracking.findMany({
      where: {
        ...listFilter(query),
        customerId,
        kind,
        status,
        ...(search !== undefined && { name: containing(search) }),
        AND: [keyset.after(cursor)],
      },
      ...keyset.arguments,
    });
    return keyset.page(trackings, TrackingResponse.of);
  }

  /**
   * Changes a tracking that is still at `version`: of two who read the same version, the second is told to read again.
   *
   * @throws TrackingNotFoundError, VersionConflictError, TrackingNameTakenError
   */
  async update(id: string, version: number, wish: UpdateTrackingDto): Promise<Tracking> {
    return this.write(async () => {
      const [tracking] = await this.database.client.tracking.updateManyAndReturn({
        where: { id, version },
        data: { ...wish, version: { increment: 1 } },
      });
      if (tracking === undefined) throw await this.whyNotAt(id, version);
      await this.audit.record('tracking.updated', id, { members: membersOf(wish) });
      return tracking;
    });
  }

  /** Deletes a tracking softly. @throws TrackingNotFoundError, VersionConflictError */
  async remove(id: string, version: number): Promise<void> {
    await this.write(async () => {
      const { count } = await this.database.client.tracking.updateMany({
        where: { id, version },
        data: { deletedAt: new Date(), version: { increment: 1 } },
      });
      if (count === 0) throw await this.whyNotAt(id, version);
      await this.audit.record('tracking.deleted', id);
    });
  }

  /**
   * Brings a deleted tracking back. One that is not deleted stays as it is.
   *
   * @throws TrackingNotFoundError, CustomerDeletedError, TrackingNameTakenError
   */
  async restore(id: string): Promise<Tracking> {
    return this.write(async () => {
      const { tracking } = this.database.client;
      const deleted = await tracking.findUnique({ where: { id, deletedAt: { not: null } } });
      if (deleted === null) return this.get(id);
      if (!(await this.holdCustomer(deleted.customerId))) throw new CustomerDeletedError(deleted.customerId);
      const [restored] = await tracking.updateManyAndReturn({
        where: { id, deletedAt: { not: null } },
        data: { deletedAt: null, version: { increment: 1 } },
      });
      if (restored === undefined) return this.get(id); // by somebody else, just now
      await this.audit.record('tracking.restored', id);
      return restored;
    });
  }

  /**
   * Locks a customer against being deleted until the transaction ends, so that no tracking is left without one.
   *
   * @returns whether it is there
   */
  private async holdCustomer(id: string): Promise<boolean> {
    const rows = await this.database.sql(
      (organizationId) => Prisma.sql`
        SELECT id FROM customers
         WHERE organization_id = ${organizationId}::uuid AND id = ${id}::uuid AND deleted_at IS NULL
           FOR SHARE`,
    );
    return rows.length > 0;
  }

  private async whyNotAt(id: string, version: number): Promise<Error> {
    await this.get(id);
    return new VersionConflictError(id, version);
  }

  private async write<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await this.database.transaction(work);
    } catch (error) {
      if (violatedConstraint(error) !== 'trackings_organization_id_customer_id_name_key') throw error;
      throw new TrackingNameTakenError();
    }
  }
}
