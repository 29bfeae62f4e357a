import { Inject, Injectable, Logger } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ChangeFeed } from '../common/changes/change-feed.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { Database } from '../database/database.js';
import type { Prisma, Tracking } from '../generated/prisma/client.js';
import type { SetupStatus, SetupStep, StepState } from '../generated/prisma/enums.js';
import type { JobData } from '../jobs/job.contracts.js';
import { TrackingNameTakenError, TrackingNotFoundError } from '../trackings/trackings.errors.js';
import { SetupQueue } from './setup.queue.js';
import {
  inOrder,
  type Resources,
  type SetupStepHandler,
  type StepContext,
  type Target,
} from './steps/setup-step.js';
import { SETUP_STEPS } from './steps/setup-steps.js';

const WHOLE = { include: { steps: true, tracking: { include: { customer: true } } } } as const;

type Whole = Prisma.TrackingSetupGetPayload<typeof WHOLE>;
type Attempt = Pick<JobData<'compensateSetup'>, 'setupId' | 'attempt'>;

const UNDER_WAY = ['PENDING', 'RUNNING'] as const satisfies SetupStatus[];
const COMPENSATING = ['COMPENSATING'] as const satisfies SetupStatus[];

/** States of a step that was not taken back. */
export const LEFT = ['DONE', 'RUNNING'] as const satisfies StepState[];

/** Another worker has ended the attempt, or begun the next one. What this worker does no longer counts. */
class AttemptOverError extends Error {
  override name = 'AttemptOverError';
}

/** The members of a tracking that an UPDATE changes. */
export type TrackingChanges = Partial<Pick<Tracking, 'name' | 'kind' | 'selector' | 'status'>>;

/**
 * Takes the steps of setups, changes and deletions, on behalf of jobs. How far an operation is stands in the database; a job of
 * an attempt that is over does nothing. The tracking changes when the last step is done, so it says what Google has.
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

  /** Takes a step, after those before it that are not done, should there be any. The last one ends the operation. */
  async advance({ setupId, attempt, step }: JobData<'setUpStep'>): Promise<void> {
    const setup = await this.find({ setupId, attempt }, UNDER_WAY);
    if (setup === undefined) return;
    await unlessOver(() => this.takeSteps(setup, step));
  }

  /** Takes back what the steps have done, backwards, and ends the operation. */
  async compensate({ setupId, attempt }: Attempt): Promise<void> {
    const setup = await this.find({ setupId, attempt }, COMPENSATING);
    if (setup === undefined) return;
    await unlessOver(() => this.undoSteps(setup));
  }

  /** @throws AttemptOverError */
  private async takeSteps(setup: Whole, step: SetupStep): Promise<void> {
    const { id: setupId, attempt } = setup;
    if (setup.tracking.deletedAt !== null) throw new TrackingNotFoundError(setup.trackingId);
    const made = madeBy(setup);
    const context = this.contextOf(setup, UNDER_WAY, made);
    const steps = inOrder(this.steps, setup.operation);
    const last = steps.findIndex((handler) => handler.step === step);
    for (const handler of steps.slice(0, last + 1)) {
      if (stateOf(setup, handler.step) === 'DONE') continue;
      await this.mark({ setupId, attempt }, handler.step, 'RUNNING');
      const resources = await handler.run(context(handler.step));
      await this.mark({ setupId, attempt }, handler.step, 'DONE', resources);
      made.set(handler.step, resources);
      this.logger.log({ setupId, step: handler.step }, 'step done');
    }
    if (last === steps.length - 1) await this.finish({ setupId, attempt }, UNDER_WAY, 'SUCCEEDED');
  }

  /** @throws AttemptOverError */
  private async undoSteps(setup: Whole): Promise<void> {
    const { id: setupId, attempt } = setup;
    const context = this.contextOf(setup, COMPENSATING, madeBy(setup));
    for (const handler of inOrder(this.steps, setup.operation).toReversed()) {
      const state = stateOf(setup, handler.step);
      if (state !== 'DONE' && state !== 'RUNNING') continue;
      await handler.undo(context(handler.step));
      await this.mark({ setupId, attempt }, handler.step, 'UNDONE');
      this.logger.log({ setupId, step: handler.step }, 'step undone');
    }
    await this.finish({ setupId, attempt }, COMPENSATING, 'FAILED');
    await this.queue.removeWaiting(setup).catch((error) => {
      this.logger.warn({ err: error, setupId }, 'could not remove the jobs of a failed operation');
    });
  }

  /** Notes that Google wants to be left alone until then. */
  async postpone(job: JobData<'setUpStep' | 'compensateSetup'>, retryAt: Date): Promise<void> {
    const { setupId, attempt } = job;
    const statuses = 'step' in job ? UNDER_WAY : COMPENSATING;
    await this.database.transaction(async (client) => {
      const { count } = await client.trackingSetup.updateMany({
        where: { id: setupId, attempt, status: { in: [...statuses] } },
        data: { retryAt, version: { increment: 1 } },
      });
      if (count > 0) await this.tell(setupId);
    });
  }

  /**
   * A step has failed for good: what was done is to be taken back.
   *
   * @param failure a stable code
   * @returns false if the attempt is over, so that the failure does not count
   */
  async fail({ setupId, attempt }: Attempt, failure: string): Promise<boolean> {
    return this.database.transaction(async (client) => {
      const setup = await this.find({ setupId, attempt }, UNDER_WAY);
      if (setup === undefined) return false;
      const steps = inOrder(this.steps, setup.operation);
      const failedStep = steps.find(({ step }) => stateOf(setup, step) !== 'DONE')?.step ?? null;
      const { count } = await client.trackingSetup.updateMany({
        where: { id: setupId, attempt, status: { in: [...UNDER_WAY] } },
        data: { status: 'COMPENSATING', failedStep, failure, retryAt: null, version: { increment: 1 } },
      });
      if (count === 0) return false;
      await this.audit.record('tracking-setup.failed', setupId, { failedStep, failure });
      await this.tell(setupId);
      await this.database.afterCommit(() =>
        this.queue.addCompensation(setup).catch((error) => {
          this.logger.warn({ err: error, setupId }, 'no job was added yet');
        }),
      );
      return true;
    });
  }

  /**
   * What was done cannot be taken back: people have to, by the names in the steps that are not undone.
   *
   * @returns false if the attempt is over
   */
  async abandon(attempt: Attempt): Promise<boolean> {
    return this.finish(attempt, COMPENSATING, 'FAILED');
  }

  private async find(
    { setupId: id, attempt }: Attempt,
    statuses: readonly SetupStatus[],
  ): Promise<Whole | undefined> {
    const where = { id, attempt, status: { in: [...statuses] } };
    return (await this.database.client.trackingSetup.findFirst({ where, ...WHOLE })) ?? undefined;
  }

  /** @throws AttemptOverError */
  private async mark(
    { setupId, attempt }: Attempt,
    step: SetupStep,
    state: StepState,
    resources?: Resources,
  ): Promise<void> {
    const { organizationId } = this.database.scope;
    await this.database.transaction(async (client) => {
      const { count } = await client.trackingSetup.updateMany({
        where: {
          id: setupId,
          attempt,
          status: { in: [...(state === 'UNDONE' ? COMPENSATING : UNDER_WAY)] },
        },
        data: {
          ...(state !== 'UNDONE' && { status: 'RUNNING' as const }),
          retryAt: null,
          version: { increment: 1 },
        },
      });
      if (count === 0) throw new AttemptOverError();
      await client.trackingSetupStep.update({
        where: { organizationId_setupId_step: { organizationId, setupId, step } },
        data: { state, ...(resources !== undefined && { resources }) },
      });
      await this.tell(setupId);
    });
  }

  /** Keeps what a step has made so far, if the attempt still counts. @throws AttemptOverError */
  private async note(
    { id: setupId, attempt }: Whole,
    statuses: readonly SetupStatus[],
    step: SetupStep,
    resources: Resources,
  ): Promise<void> {
    await this.database.transaction(async (client) => {
      // Also locks the operation, so that no attempt ends or begins before the commit.
      const { count } = await client.trackingSetup.updateMany({
        where: { id: setupId, attempt, status: { in: [...statuses] } },
        data: { updatedAt: new Date() },
      });
      if (count === 0) throw new AttemptOverError();
      await client.trackingSetupStep.updateMany({ where: { setupId, step }, data: { resources } });
    });
  }

  /** @returns false if the attempt is over. @throws TrackingNameTakenError */
  private async finish(
    { setupId, attempt }: Attempt,
    from: readonly SetupStatus[],
    status: 'SUCCEEDED' | 'FAILED',
  ): Promise<boolean> {
    const work = async (client: Database['client']) => {
      const [setup] = await client.trackingSetup.updateManyAndReturn({
        where: { id: setupId, attempt, status: { in: [...from] } },
        data: { status, retryAt: null, finishedAt: new Date(), version: { increment: 1 } },
      });
      if (setup === undefined) return false;
      const { trackingId, operation } = setup;
      const data = confirmed(setup, status);
      if (data !== undefined) {
        const version = { increment: 1 };
        await client.tracking.updateMany({ where: { id: trackingId }, data: { ...data, version } });
      }
      // It has brought in line all that Google has of the tracking, also what failed operations had left.
      if (status === 'SUCCEEDED') await clearLeftovers(client, trackingId);
      if (status === 'SUCCEEDED' && operation !== 'SETUP') {
        const action = operation === 'DELETE' ? 'tracking.deleted' : 'tracking.updated';
        await this.audit.record(action, trackingId, { members: Object.keys(setup.changes ?? {}) });
      }
      await this.audit.record(
        status === 'SUCCEEDED' ? 'tracking-setup.succeeded' : 'tracking-setup.ended',
        setupId,
        { trackingId, operation, attempt },
      );
      await this.tell(setupId);
      return true;
    };
    try {
      return await this.database.transaction(work);
    } catch (error) {
      if (violatedConstraint(error) !== 'trackings_organization_id_customer_id_name_key') throw error;
      throw new TrackingNameTakenError();
    }
  }

  private contextOf(
    setup: Whole,
    statuses: readonly SetupStatus[],
    made: Map<SetupStep, Resources>,
  ): (step: SetupStep) => StepContext {
    const { customer, ...tracking } = setup.tracking;
    const targets = targetsOf(setup, tracking);
    return (current) => ({
      setup,
      customer,
      ...targets,
      name: `Tracking ${setup.trackingId}`,
      made: (step) => made.get(step) ?? {},
      note: async (resources) => {
        await this.note(setup, statuses, current, resources);
        made.set(current, resources);
      },
    });
  }

  private async tell(setupId: string): Promise<void> {
    await this.database.afterCommit(() => this.changes.publish(setupId));
  }
}

/** Notes that nothing is left of the failed operations of a tracking. @returns how many steps had left something */
export async function clearLeftovers(client: Database['client'], trackingId: string): Promise<number> {
  const { count } = await client.trackingSetupStep.updateMany({
    where: { setup: { trackingId, status: 'FAILED' }, state: { in: [...LEFT] } },
    data: { state: 'UNDONE' },
  });
  return count;
}

/** A job of an attempt that is over ends without a failure. */
async function unlessOver(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AttemptOverError)) throw error;
  }
}

function madeBy({ steps }: Whole): Map<SetupStep, Resources> {
  return new Map(steps.map(({ step, resources }) => [step, resources as Resources]));
}

/** What the end of an operation makes of its tracking. */
function confirmed(
  { operation, changes }: Pick<Whole, 'operation' | 'changes'>,
  status: 'SUCCEEDED' | 'FAILED',
): Prisma.TrackingUncheckedUpdateManyInput | undefined {
  if (operation === 'SETUP') return { status: status === 'SUCCEEDED' ? 'ACTIVE' : 'FAILED' };
  if (status === 'FAILED') return undefined;
  return operation === 'DELETE' ? { status: 'DRAFT', deletedAt: new Date() } : (changes as TrackingChanges);
}

/** What Google has before and after an operation. */
function targetsOf({ operation, changes }: Whole, tracking: Tracking): Pick<StepContext, 'before' | 'after'> {
  // Of a setup that has failed only remains are there.
  const now = tracking.status === 'FAILED' ? undefined : targetOf(tracking);
  if (operation === 'SETUP') return { before: undefined, after: { ...targetOf(tracking), isPaused: false } };
  if (operation === 'DELETE') return { before: now, after: undefined };
  return { before: now, after: targetOf({ ...tracking, ...(changes as TrackingChanges) }) };
}

function targetOf({ id, name, kind, selector, status }: Tracking): Target {
  return { id, name, kind, selector, isPaused: status === 'PAUSED' };
}

function stateOf({ steps }: Whole, step: SetupStep): StepState | undefined {
  return steps.find((each) => each.step === step)?.state;
}
