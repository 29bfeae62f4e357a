import { ApiProperty } from '@nestjs/swagger';
import { PageInfo } from '../../common/pagination/page.dto.js';
import type { SyncRun } from '../../generated/prisma/client.js';
import { SyncStatus } from '../../generated/prisma/enums.js';

export class SyncResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ format: 'uuid' })
  readonly connectionId!: string;

  @ApiProperty({ enum: SyncStatus, enumName: 'SyncStatus' })
  readonly status!: SyncStatus;

  @ApiProperty({ type: 'integer', description: 'what was added, changed or removed' })
  readonly itemsSynced!: number;

  @ApiProperty({ type: String, nullable: true, description: 'a stable code', example: 'RECONNECT_REQUIRED' })
  readonly failure!: string | null;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly updatedAt!: Date;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'the user who asked for it; null where the schedule did',
  })
  readonly createdBy!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly finishedAt!: Date | null;

  static of(run: SyncRun): SyncResponse {
    const { id, connectionId, status, itemsSynced, failure, createdAt, updatedAt, createdBy, finishedAt } =
      run;
    return { id, connectionId, status, itemsSynced, failure, createdAt, updatedAt, createdBy, finishedAt };
  }
}

export class SyncPage {
  @ApiProperty({ type: [SyncResponse] })
  readonly data!: SyncResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
