import { Inject, Injectable, Logger } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ChangeFeed } from '../common/changes/change-feed.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { Database } from '../database/database.js';
import type { Prisma } from '../generated/prisma/client.js';
import { ReconnectRequiredError } from '../google/google.errors.js';
import { GoogleConnectionsService } from '../google-connections/google-connections.service.js';
import { TrackingNotFoundError } from '../trackings/trackings.errors.js';
import type { CreateTrackingSetupDto } from './dto/create-tracking-setup.dto.js';
import type { ListTrackingSetupsQuery } from './dto/list-tracking-setups.query.js';
import { TrackingSetupResponse } from './dto/tracking-setup-response.dto.js';
import { SetupQueue } from './setup.queue.js';
import type { SetupStepHandler } from './steps/setup-step.js';
import { SETUP_STEPS } from './steps/setup-steps.js';
import {
  TrackingAlreadySetUpError,
  TrackingSetupNotFoundError,
  TrackingSetupRunningError,
} from './tracking-setups.errors.js';

const WITH_STEPS = { include: { steps: true } } as const;

/** A set-up with how far its steps are. */
export type SetupWithSteps = Prisma.TrackingSetupGetPayload<typeof WITH_STEPS>;

/** The set-ups of the organization's trackings, as users see them. What they consist of, jobs do: see `SetupRunner`. */
@Injectable()
export class TrackingSetupsService {
  private readonly logger = new Logger(TrackingSetupsService.name);

  constructor(
    private readonly database: Database,
    private readonly connections: GoogleConnectionsService,
    private readonly audit: AuditLog,
    private readonly changes: ChangeFeed,
    private readonly queue: SetupQueue,
    @Inject(SETUP_STEPS) private readonly steps: readonly SetupStepHandler[],
  ) {}

  /**
   * Asks for a set-up. A job is added once that is committed; where that fails, the worker finds it: see `Redelivery`.
   *
   * @throws TrackingNotFoundError, ConnectionNotFoundError, ReconnectRequiredError
   * @throws TrackingSetupRunningError, TrackingAlreadySetUpError
   */
  async start(wish: CreateTrackingSetupDto): Promise<SetupWithSteps> {
    return this.write(wish.trackingId, async () => {
      const { trackingSetup, trackingSetupStep } = this.database.client;
      await this.claim(wish.trackingId, wish.connectionId);
      const setup = await trackingSetup.create({ data: wish });
      await trackingSetupStep.createMany({
        data: this.steps.map(({ step }) => ({ setupId: setup.id, step })),
      });
      await this.audit.record('tracking-setup.started', setup.id, { trackingId: wish.trackingId });
      await this.addJobs(setup);
      return this.get(setup.id);
    });
  }

  /**
   * Begins a set-up that has failed anew. Every step is taken again, and finds what is still there.
   *
   * @throws TrackingSetupNotFoundError, and as `start`
   */
  async restart(id: string): Promise<void> {
    const { trackingId, connectionId } = await this.get(id);
    await this.write(trackingId, async () => {
      const { trackingSetup, trackingSetupStep } = this.database.client;
      await this.claim(trackingId, connectionId);
      const [setup] = await trackingSetup.updateManyAndReturn({
        where: { id, status: 'FAILED' },
        data: {
          status: 'PENDING',
          attempt: { increment: 1 },
          failedStep: null,
          failure: null,
          retryAt: null,
          finishedAt: null,
          version: { increment: 1 },
        },
      });
      if (setup === undefined) throw new TrackingSetupRunningError(trackingId);
      await trackingSetupStep.updateMany({
        where: { setupId: id },
        data: { state: 'PENDING', resources: {} },
      });
      await this.audit.record('tracking-setup.restarted', id, { attempt: setup.attempt });
      await this.addJobs(setup);
    });
  }

  /** @throws TrackingSetupNotFoundError */
  async get(id: string): Promise<SetupWithSteps> {
    const setup = await this.database.client.trackingSetup.findUnique({ where: { id }, ...WITH_STEPS });
    if (setup === null) throw new TrackingSetupNotFoundError(id);
    return setup;
  }

  async list({
    limit,
    cursor,
    sort,
    trackingId,
    status,
  }: ListTrackingSetupsQuery): Promise<Page<TrackingSetupResponse>> {
    const keyset = new Keyset(sort, limit);
    const setups = await this.database.client.trackingSetup.findMany({
      where: { trackingId, status, AND: [keyset.after(cursor)] },
      ...WITH_STEPS,
      ...keyset.arguments,
    });
    return keyset.page(setups, TrackingSetupResponse.of);
  }

  /** The tracking is there, is not set up, and the connection works. */
  private async claim(trackingId: string, connectionId: string): Promise<void> {
    const { status, id } = await this.connections.get(connectionId);
    if (status !== 'CONNECTED') throw new ReconnectRequiredError(id);
    const { tracking, trackingSetup } = this.database.client;
    const { count } = await tracking.updateMany({
      where: { id: trackingId },
      data: { status: 'SETTING_UP', version: { increment: 1 } },
    });
    if (count === 0) throw new TrackingNotFoundError(trackingId);
    // Behind the lock on the tracking that the update holds.
    const done = await trackingSetup.count({ where: { trackingId, status: 'SUCCEEDED' } });
    if (done > 0) throw new TrackingAlreadySetUpError(trackingId);
  }

  private async addJobs(setup: { id: string; organizationId: string; attempt: number }): Promise<void> {
    await this.database.afterCommit(async () => {
      await this.changes.publish(setup.id);
      await this.queue
        .add(setup)
        .catch((error) => this.logger.warn({ err: error, setupId: setup.id }, 'no job was added yet'));
    });
  }

  private async write<Result>(trackingId: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await this.database.transaction(work);
    } catch (error) {
      if (violatedConstraint(error) !== 'tracking_setups_unfinished_key') throw error;
      throw new TrackingSetupRunningError(trackingId);
    }
  }
}
