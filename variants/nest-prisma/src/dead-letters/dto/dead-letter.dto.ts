import { ApiProperty } from '@nestjs/swagger';
import { PageInfo, PageQuery } from '../../common/pagination/page.dto.js';
import type { DeadLetter } from '../../generated/prisma/client.js';

export class ListDeadLettersQuery extends PageQuery {}

export class DeadLetterResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ example: 'tracking-setup' })
  readonly queue!: string;

  @ApiProperty({ example: 'setUpStep' })
  readonly job!: string;

  @ApiProperty({ format: 'uuid', description: 'the set-up or the connection that it is about' })
  readonly subjectId!: string;

  @ApiProperty({ description: 'a stable code', example: 'RECONNECT_REQUIRED' })
  readonly failure!: string;

  @ApiProperty({ type: 'integer' })
  readonly attempts!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly requeuedAt!: Date | null;

  static of({ id, queue, job, subjectId, failure, attempts, createdAt, requeuedAt }: DeadLetter) {
    return { id, queue, job, subjectId, failure, attempts, createdAt, requeuedAt };
  }
}

export class DeadLetterPage {
  @ApiProperty({ type: [DeadLetterResponse] })
  readonly data!: DeadLetterResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
