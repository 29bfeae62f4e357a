import { ApiProperty } from '@nestjs/swagger';
import { PageInfo } from '../../common/pagination/page.dto.js';
import { SetupStatus, SetupStep, StepState } from '../../generated/prisma/enums.js';
import type { Resources } from '../steps/setup-step.js';
import type { SetupWithSteps } from '../tracking-setups.service.js';

const ORDER = Object.values(SetupStep);

export class SetupStepResponse {
  @ApiProperty({ enum: SetupStep, enumName: 'SetupStep' })
  readonly step!: SetupStep;

  @ApiProperty({
    enum: StepState,
    enumName: 'StepState',
    description: 'UNDONE: what it had made was taken away again',
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

  @ApiProperty({
    enum: SetupStatus,
    enumName: 'SetupStatus',
    description: 'COMPENSATING: a step has failed for good, and what was made is being taken away',
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
    const { organizationId: _hidden, steps, ...shown } = setup;
    const done = steps.filter(({ state }) => state === 'DONE').length;
    return {
      ...shown,
      progress: steps.length === 0 ? 0 : Math.round((100 * done) / steps.length),
      steps: steps
        .toSorted((one, other) => ORDER.indexOf(one.step) - ORDER.indexOf(other.step))
        .map(({ step, state, resources }) => ({ step, state, resources: resources as Resources })),
    };
  }
}

export class TrackingSetupPage {
  @ApiProperty({ type: [TrackingSetupResponse] })
  readonly data!: TrackingSetupResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
