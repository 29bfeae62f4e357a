import { Inject, Injectable, Logger } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ChangeFeed } from '../common/changes/change-feed.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { Database } from '../database/database.js';
import type { GoogleConnection, Prisma, Tracking } from '../generated/prisma/client.js';
import type { SetupStatus, SetupStep, TrackingOperation } from '../generated/prisma/enums.js';
import { ReconnectRequiredError } from '../google/google.errors.js';
import { GoogleConnectionsService } from '../google-connections/google-connections.service.js';
import { TrackingNotFoundError, TrackingNotSetUpError } from '../trackings/trackings.errors.js';
import type { CreateTrackingSetupDto } from './dto/create-tracking-setup.dto.js';
import type { ListTrackingSetupsQuery } from './dto/list-tracking-setups.query.js';
import { TrackingSetupResponse } from './dto/tracking-setup-response.dto.js';
import { SetupQueue } from './setup.queue.js';
import { LEFT, type TrackingChanges } from './setup-runner.js';
import type { Resources, SetupStepHandler } from './steps/setup-step.js';
import { SETUP_STEPS } from './steps/setup-steps.js';
import {
  TrackingAlreadySetUpError,
  TrackingLeftoversError,
  TrackingSetupNotFoundError,
  TrackingSetupRunningError,
} from './tracking-setups.errors.js';

const WITH_STEPS = { include: { steps: true } } as const;

const LATEST = {
  orderBy: [{ finishedAt: 'desc' }, { id: 'desc' }],
  include: { steps: true, connection: true },
} satisfies Pick<Prisma.TrackingSetupFindFirstArgs, 'orderBy' | 'include'>;

/** Statuses of an operation that is not finished. */
const UNFINISHED = ['PENDING', 'RUNNING', 'COMPENSATING'] as const satisfies SetupStatus[];

/** What the next operation needs of what the one before it has made. A workspace and a version are never used again. */
const KEPT: Readonly<Record<SetupStep, readonly string[]>> = {
  CONTAINER: ['containerPath', 'containerPublicId'],
  CONVERSION_ACTION: ['conversionAction', 'conversionId', 'conversionLabel'],
  TAG: ['triggerPath', 'tagPath'],
  PUBLISH: [],
};

/** An operation with how far its steps are. */
export type SetupWithSteps = Prisma.TrackingSetupGetPayload<typeof WITH_STEPS>;

/** An operation that has left something at Google. */
export type SetupReached = Prisma.TrackingSetupGetPayload<{ include: { steps: true; connection: true } }>;

/**
 * The setups, changes and deletions of the organization's trackings at Google, as users see them. What they consist of, jobs do:
 * see `SetupRunner`. Of a tracking, one is under way at a time; a unique index keeps that.
 */
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
   * Asks for a setup. A job is added once that is committed; where that fails, the worker finds it: see `Redelivery`.
   *
   * @throws TrackingNotFoundError, ConnectionNotFoundError, ReconnectRequiredError
   * @throws TrackingSetupRunningError, TrackingAlreadySetUpError
   */
  async start(input: CreateTrackingSetupDto): Promise<SetupWithSteps> {
    return this.write(input.trackingId, async () => {
      assertConnected(await this.connections.get(input.connectionId));
      await this.claim(input.trackingId, input);
      return this.create({ ...input, operation: 'SETUP' });
    });
  }

  /** The operation that has left something of a tracking at Google, if there is one. */
  async reached({ id: trackingId, status }: Tracking): Promise<SetupReached | undefined> {
    if (status === 'DRAFT' || status === 'SETTING_UP') return undefined;
    if (status === 'FAILED') return this.leftBehind(trackingId);
    const setup = await this.database.client.trackingSetup.findFirst({
      where: { trackingId, status: 'SUCCEEDED', operation: { not: 'DELETE' } },
      ...LATEST,
    });
    return setup ?? undefined;
  }

  /**
   * The latest operation that has failed and could not be taken back: Google has something else than the tracking tells. The next
   * one that succeeds clears that: see `SetupRunner`.
   */
  async leftBehind(trackingId: string): Promise<SetupReached | undefined> {
    const setup = await this.database.client.trackingSetup.findFirst({
      where: {
        trackingId,
        status: 'FAILED',
        steps: { some: { state: { in: [...LEFT] } } },
      },
      ...LATEST,
    });
    return setup ?? undefined;
  }

  /**
   * Asks for a change or a deletion of a tracking that is set up, with the Google account of the operation before.
   *
   * @param changes the members that the tracking has once Google has them
   * @throws ReconnectRequiredError, TrackingSetupRunningError
   */
  async change(
    operation: 'UPDATE' | 'DELETE',
    before: SetupReached,
    changes?: TrackingChanges,
  ): Promise<SetupWithSteps> {
    const { trackingId, tagManagerAccountId, adsCustomerId } = before;
    return this.write(trackingId, async () => {
      const { id: connectionId } = await this.connectionLike(before.connection);
      const accounts = { connectionId, tagManagerAccountId, adsCustomerId };
      return this.create({ trackingId, ...accounts, operation, changes }, before.steps);
    });
  }

  /**
   * Begins an operation that has failed again. Every step is taken again, and finds what is still there. A step that could not be
   * taken back counts as begun: should this attempt fail as well, it is taken back then.
   *
   * @throws TrackingSetupNotFoundError, TrackingNotFoundError, TrackingNotSetUpError, and as `start`
   */
  async restart(id: string): Promise<void> {
    const { trackingId, connectionId, operation, tagManagerAccountId, adsCustomerId } = await this.get(id);
    await this.write(trackingId, async () => {
      const { trackingSetup, trackingSetupStep } = this.database.client;
      const before = operation === 'SETUP' ? undefined : await this.current(trackingId);
      if (before === undefined) {
        assertConnected(await this.connections.get(connectionId));
        await this.claim(trackingId, { tagManagerAccountId, adsCustomerId });
      }
      const connection = before && (await this.connectionLike(before.connection));
      await this.assertIdle(trackingId);
      const [setup] = await trackingSetup.updateManyAndReturn({
        where: { id, status: 'FAILED' },
        data: {
          status: 'PENDING',
          connectionId: connection?.id,
          attempt: { increment: 1 },
          failedStep: null,
          failure: null,
          retryAt: null,
          finishedAt: null,
          version: { increment: 1 },
        },
      });
      if (setup === undefined) throw new TrackingSetupRunningError(trackingId);
      const { steps } = await this.get(id); // behind the check that no other one runs, which changes them
      for (const { step } of this.steps) {
        const isLeft = steps.some((own) => own.step === step && LEFT.some((state) => state === own.state));
        await trackingSetupStep.updateMany({
          where: { setupId: id, step },
          data: isLeft ? { state: 'RUNNING' } : { state: 'PENDING', resources: kept(step, before?.steps) },
        });
      }
      await this.audit.record('tracking-setup.restarted', id, { operation, attempt: setup.attempt });
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
    operation,
    status,
  }: ListTrackingSetupsQuery): Promise<Page<TrackingSetupResponse>> {
    const keyset = new Keyset(sort, limit);
    const setups = await this.database.client.trackingSetup.findMany({
      where: { trackingId, operation, status, AND: [keyset.after(cursor)] },
      ...WITH_STEPS,
      ...keyset.arguments,
    });
    return keyset.page(setups, TrackingSetupResponse.of);
  }

  /** @throws TrackingNotFoundError, TrackingNotSetUpError */
  private async current(trackingId: string): Promise<SetupReached> {
    const tracking = await this.database.client.tracking.findUnique({ where: { id: trackingId } });
    if (tracking === null) throw new TrackingNotFoundError(trackingId);
    const reached = await this.reached(tracking);
    if (reached === undefined) throw new TrackingNotSetUpError(trackingId);
    return reached;
  }

  private async create(
    { changes, ...data }: NewSetup,
    before?: readonly StepResources[],
  ): Promise<SetupWithSteps> {
    const { trackingSetup, trackingSetupStep } = this.database.client;
    await this.assertIdle(data.trackingId);
    const setup = await trackingSetup.create({
      data: { ...data, ...(changes !== undefined && { changes }) },
    });
    await trackingSetupStep.createMany({
      data: this.steps.map(({ step }) => ({ setupId: setup.id, step, resources: kept(step, before) })),
    });
    const { trackingId, operation } = data;
    const members = Object.keys(changes ?? {});
    await this.audit.record('tracking-setup.started', setup.id, { trackingId, operation, members });
    await this.addJobs(setup);
    return this.get(setup.id);
  }

  /** Makes sure that a tracking can be set up. @throws TrackingLeftoversError */
  private async claim(trackingId: string, accounts: Accounts): Promise<void> {
    const { tracking } = this.database.client;
    const { count } = await tracking.updateMany({
      // SETTING_UP: the unique index decides whether another setup is under way.
      where: { id: trackingId, status: { in: ['DRAFT', 'FAILED', 'SETTING_UP'] } },
      data: { status: 'SETTING_UP', version: { increment: 1 } },
    });
    if (count > 0) {
      const left = await this.leftBehind(trackingId);
      if (left === undefined || isSameAccounts(left, accounts)) return;
      throw new TrackingLeftoversError(left);
    }
    const isThere = (await tracking.count({ where: { id: trackingId } })) > 0;
    throw isThere ? new TrackingAlreadySetUpError(trackingId) : new TrackingNotFoundError(trackingId);
  }

  /**
   * Asked before the unique index decides: an insert would wait for the end of an operation that is about to lock the tracking.
   *
   * @throws TrackingSetupRunningError
   */
  async assertIdle(trackingId: string): Promise<void> {
    const status = { in: [...UNFINISHED] };
    const running = await this.database.client.trackingSetup.count({ where: { trackingId, status } });
    if (running > 0) throw new TrackingSetupRunningError(trackingId);
  }

  /** The connection, or another one of the same Google account: connecting an account again makes a new one. */
  private async connectionLike(connection: GoogleConnection): Promise<GoogleConnection> {
    const { id, googleEmail } = connection;
    const found = await this.database.client.googleConnection.findFirst({
      where: { googleEmail, status: 'CONNECTED' },
    });
    if (found === null) throw new ReconnectRequiredError(id);
    return found;
  }

  private async addJobs(setup: Parameters<SetupQueue['add']>[0]): Promise<void> {
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

type NewSetup = Omit<Prisma.TrackingSetupUncheckedCreateInput, 'changes' | 'steps' | 'operation'> & {
  readonly operation: TrackingOperation;
  readonly changes?: TrackingChanges | undefined;
};

type StepResources = Pick<SetupWithSteps['steps'][number], 'step' | 'resources'>;

/** @throws ReconnectRequiredError */
function assertConnected({ id, status }: GoogleConnection): void {
  if (status !== 'CONNECTED') throw new ReconnectRequiredError(id);
}

type Accounts = { readonly tagManagerAccountId?: string | null; readonly adsCustomerId?: string | null };

function isSameAccounts(one: Accounts, other: Accounts): boolean {
  const isSame = (name: keyof Accounts) => (one[name] ?? null) === (other[name] ?? null);
  return isSame('tagManagerAccountId') && isSame('adsCustomerId');
}

function kept(step: SetupStep, before: readonly StepResources[] = []): Resources {
  const resources = (before.find((each) => each.step === step)?.resources ?? {}) as Resources;
  return Object.fromEntries(Object.entries(resources).filter(([name]) => KEPT[step].includes(name)));
}
