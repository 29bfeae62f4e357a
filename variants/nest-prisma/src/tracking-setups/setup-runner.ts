import { Inject, Injectable, Logger } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ChangeFeed } from '../common/changes/change-feed.js';
import { Database } from '../database/database.js';
import type { Prisma } from '../generated/prisma/client.js';
import type { SetupStatus, SetupStep, StepState } from '../generated/prisma/enums.js';
import type { JobData } from '../jobs/job.contracts.js';
import { TrackingNotFoundError } from '../trackings/trackings.errors.js';
import { SetupQueue } from './setup.queue.js';
import type { Resources, SetupStepHandler, StepContext } from './steps/setup-step.js';
import { SETUP_STEPS } from './steps/setup-steps.js';

const WHOLE = { include: { steps: true, tracking: { include: { customer: true } } } } as const;

type Whole = Prisma.TrackingSetupGetPayload<typeof WHOLE>;
type Attempt = Pick<JobData<'compensateSetup'>, 'setupId' | 'attempt'>;

const UNDER_WAY = ['PENDING', 'RUNNING'] as const satisfies SetupStatus[];

/**
 * Takes the steps of set-ups, on behalf of jobs. How far a set-up is stands in the database; a job of an attempt that is over
 * does nothing.
 */
@Injectable()
export class SetupRunner {
  private readonly logger = new Logger(SetupRunner.name);

  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly changes: ChangeFeed,
    private readonly queue: SetupQueue,
    @Inject(SETUP_STEPS) private readonly steps: readonly SetupStepHandler[],
  ) {}

  /** Takes a step, after those before it that are not done, should there be any. The last one ends the set-up. */
  async advance({ setupId, attempt, step }: JobData<'setUpStep'>): Promise<void> {
    const setup = await this.find({ setupId, attempt }, UNDER_WAY);
    if (setup === undefined) return;
    if (setup.tracking.deletedAt !== null) throw new TrackingNotFoundError(setup.trackingId);
    const context = this.contextOf(setup);
    const last = this.steps.findIndex((handler) => handler.step === step);
    for (const handler of this.steps.slice(0, last + 1)) {
      if (stateOf(setup, handler.step) === 'DONE') continue;
      if (!(await this.mark({ setupId, attempt }, handler.step, 'RUNNING'))) return;
      const made = await handler.run(context(handler.step));
      if (!(await this.mark({ setupId, attempt }, handler.step, 'DONE', made))) return;
      this.logger.log({ setupId, step: handler.step }, 'step done');
    }
    if (last === this.steps.length - 1) await this.finish({ setupId, attempt }, UNDER_WAY, 'SUCCEEDED');
  }

  /** Takes away what the steps have made, backwards, and ends the set-up. */
  async compensate({ setupId, attempt }: Attempt): Promise<void> {
    const setup = await this.find({ setupId, attempt }, ['COMPENSATING']);
    if (setup === undefined) return;
    const context = this.contextOf(setup);
    for (const handler of [...this.steps].reverse()) {
      const state = stateOf(setup, handler.step);
      if (state !== 'DONE' && state !== 'RUNNING') continue;
      await handler.undo(context(handler.step));
      await this.mark({ setupId, attempt }, handler.step, 'UNDONE');
      this.logger.log({ setupId, step: handler.step }, 'step undone');
    }
    await this.finish({ setupId, attempt }, ['COMPENSATING'], 'FAILED');
    const jobs = { id: setupId, organizationId: setup.organizationId, attempt };
    await this.queue.removeWaiting(jobs).catch((error) => {
      this.logger.warn({ err: error, setupId }, 'the jobs of a failed set-up are left');
    });
  }

  /** Notes that Google wants to be left alone until then. */
  async postpone({ setupId, attempt }: Attempt, retryAt: Date): Promise<void> {
    await this.database.transaction(async (client) => {
      await client.trackingSetup.updateMany({
        where: { id: setupId, attempt },
        data: { retryAt, version: { increment: 1 } },
      });
      await this.tell(setupId);
    });
  }

  /** A step has failed for good: what was made is to be taken away. @param failure a stable code */
  async fail({ setupId, attempt }: Attempt, failure: string): Promise<void> {
    await this.database.transaction(async (client) => {
      const setup = await this.find({ setupId, attempt }, UNDER_WAY);
      if (setup === undefined) return;
      const failedStep = this.steps.find(({ step }) => stateOf(setup, step) !== 'DONE')?.step ?? null;
      const { count } = await client.trackingSetup.updateMany({
        where: { id: setupId, attempt, status: { in: [...UNDER_WAY] } },
        data: { status: 'COMPENSATING', failedStep, failure, retryAt: null, version: { increment: 1 } },
      });
      if (count === 0) return;
      await this.audit.record('tracking-setup.failed', setupId, { failedStep, failure });
      await this.tell(setupId);
      const jobs = { id: setupId, organizationId: setup.organizationId, attempt };
      await this.database.afterCommit(() =>
        this.queue.addCompensation(jobs).catch((error) => {
          this.logger.warn({ err: error, setupId }, 'no job was added yet');
        }),
      );
    });
  }

  /** What was made cannot be taken away: people have to, by the names in the steps that are not undone. */
  async abandon(attempt: Attempt): Promise<void> {
    await this.finish(attempt, ['COMPENSATING'], 'FAILED');
  }

  private async find(
    { setupId: id, attempt }: Attempt,
    statuses: readonly SetupStatus[],
  ): Promise<Whole | undefined> {
    const where = { id, attempt, status: { in: [...statuses] } };
    return (await this.database.client.trackingSetup.findFirst({ where, ...WHOLE })) ?? undefined;
  }

  /** @returns whether the attempt still counts */
  private async mark(
    { setupId, attempt }: Attempt,
    step: SetupStep,
    state: StepState,
    resources?: Resources,
  ): Promise<boolean> {
    const { organizationId } = this.database.scope;
    return this.database.transaction(async (client) => {
      const { count } = await client.trackingSetup.updateMany({
        where: {
          id: setupId,
          attempt,
          status: { in: state === 'UNDONE' ? ['COMPENSATING'] : [...UNDER_WAY] },
        },
        data: {
          ...(state !== 'UNDONE' && { status: 'RUNNING' as const }),
          retryAt: null,
          version: { increment: 1 },
        },
      });
      if (count === 0) return false;
      await client.trackingSetupStep.update({
        where: { organizationId_setupId_step: { organizationId, setupId, step } },
        data: { state, ...(resources !== undefined && { resources }) },
      });
      await this.tell(setupId);
      return true;
    });
  }

  private async finish(
    { setupId, attempt }: Attempt,
    from: readonly SetupStatus[],
    status: 'SUCCEEDED' | 'FAILED',
  ): Promise<void> {
    await this.database.transaction(async (client) => {
      const [setup] = await client.trackingSetup.updateManyAndReturn({
        where: { id: setupId, attempt, status: { in: [...from] } },
        data: { status, retryAt: null, finishedAt: new Date(), version: { increment: 1 } },
      });
      if (setup === undefined) return;
      await client.tracking.updateMany({
        where: { id: setup.trackingId },
        data: { status: status === 'SUCCEEDED' ? 'ACTIVE' : 'FAILED', version: { increment: 1 } },
      });
      await this.audit.record(
        status === 'SUCCEEDED' ? 'tracking-setup.succeeded' : 'tracking-setup.ended',
        setupId,
        { trackingId: setup.trackingId, attempt },
      );
      await this.tell(setupId);
    });
  }

  private contextOf(setup: Whole): (step: SetupStep) => StepContext {
    const made = new Map(setup.steps.map(({ step, resources }) => [step, resources as Resources]));
    const { customer, ...tracking } = setup.tracking;
    return (current) => ({
      setup,
      tracking,
      customer,
      name: `Tracking ${setup.trackingId}`,
      made: (step) => made.get(step) ?? {},
      note: async (resources) => {
        made.set(current, resources);
        await this.database.client.trackingSetupStep.updateMany({
          where: { setupId: setup.id, step: current, state: 'RUNNING' },
          data: { resources },
        });
      },
    });
  }

  private async tell(setupId: string): Promise<void> {
    await this.database.afterCommit(() => this.changes.publish(setupId));
  }
}

function stateOf({ steps }: Whole, step: SetupStep): StepState | undefined {
  return steps.find((each) => each.step === step)?.state;
}
