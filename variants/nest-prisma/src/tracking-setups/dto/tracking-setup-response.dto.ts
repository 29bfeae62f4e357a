import { ApiProperty } from '@nestjs/swagger';
import { PageInfo } from '../../common/pagination/page.dto.js';
import { SetupStatus, SetupStep, StepState, TrackingOperation } from '../../generated/prisma/enums.js';
import type { TrackingChanges } from '../setup-runner.js';
import { inOrder, type Resources } from '../steps/setup-step.js';
import type { SetupWithSteps } from '../tracking-setups.service.js';

const ORDER = Object.values(SetupStep);

export class SetupStepResponse {
  @ApiProperty({ enum: SetupStep, enumName: 'SetupStep' })
  readonly step!: SetupStep;

  @ApiProperty({
    enum: StepState,
    enumName: 'StepState',
    description: 'UNDONE: what it had done was taken back',
  })
  readonly state!: StepState;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'the names at Google of what it has made so far',
    example: { workspacePath: 'accounts/1/containers/2/workspaces/3' },
  })
  readonly resources!: Resources;
}

export class TrackingSetupResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ format: 'uuid' })
  readonly trackingId!: string;

  @ApiProperty({ format: 'uuid' })
  readonly connectionId!: string;

  @ApiProperty({ type: String, nullable: true })
  readonly tagManagerAccountId!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly adsCustomerId!: string | null;

  @ApiProperty({ enum: TrackingOperation, enumName: 'TrackingOperation' })
  readonly operation!: TrackingOperation;

  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: { type: 'string' },
    description: 'of an UPDATE: the members of the tracking that change once Google has the change',
    example: { status: 'PAUSED' },
  })
  readonly changes!: TrackingChanges | null;

  @ApiProperty({
    enum: SetupStatus,
    enumName: 'SetupStatus',
    description: 'COMPENSATING: a step has failed for good, and what was done is being taken back',
  })
  readonly status!: SetupStatus;

  @ApiProperty({
    type: 'integer',
    minimum: 0,
    maximum: 100,
    description: 'per cent of the steps that are done',
  })
  readonly progress!: number;

  @ApiProperty({ type: [SetupStepResponse], description: 'in their order' })
  readonly steps!: SetupStepResponse[];

  @ApiProperty({ type: 'integer', description: 'raised each time it is begun anew' })
  readonly attempt!: number;

  @ApiProperty({ enum: SetupStep, enumName: 'SetupStep', nullable: true })
  readonly failedStep!: SetupStep | null;

  @ApiProperty({ type: String, nullable: true, description: 'a stable code', example: 'RECONNECT_REQUIRED' })
  readonly failure!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: "when it goes on, where Google's quota is used up",
  })
  readonly retryAt!: Date | null;

  @ApiProperty({ type: 'integer', description: 'raised by every change; the id of its event' })
  readonly version!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly updatedAt!: Date;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'the user who asked for it' })
  readonly createdBy!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly finishedAt!: Date | null;

  static of(setup: SetupWithSteps): TrackingSetupResponse {
    const done = setup.steps.filter(({ state }) => state === 'DONE').length;
    const steps = setup.steps.toSorted((one, other) => ORDER.indexOf(one.step) - ORDER.indexOf(other.step));
    return {
      id: setup.id,
      trackingId: setup.trackingId,
      connectionId: setup.connectionId,
      tagManagerAccountId: setup.tagManagerAccountId,
      adsCustomerId: setup.adsCustomerId,
      operation: setup.operation,
      changes: setup.changes as TrackingChanges | null,
      status: setup.status,
      progress: steps.length === 0 ? 0 : Math.round((100 * done) / steps.length),
      steps: inOrder(steps, setup.operation).map(({ step, state, resources }) => ({
        step,
        state,
        resources: resources as Resources,
      })),
      attempt: setup.attempt,
      failedStep: setup.failedStep,
      failure: setup.failure,
      retryAt: setup.retryAt,
      version: setup.version,
      createdAt: setup.createdAt,
      updatedAt: setup.updatedAt,
      createdBy: setup.createdBy,
      finishedAt: setup.finishedAt,
    };
  }
}

export class TrackingSetupPage {
  @ApiProperty({ type: [TrackingSetupResponse] })
  readonly data!: TrackingSetupResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
