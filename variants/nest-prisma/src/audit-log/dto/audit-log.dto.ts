import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsUUID } from 'class-validator';
import { PageInfo, PageQuery } from '../../common/pagination/page.dto.js';
import type { AuditLog } from '../../generated/prisma/client.js';

export class ListAuditLogQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'what was done to this one' })
  @IsOptional()
  @IsUUID('all')
  readonly entityId?: string;
}

export class AuditLogEntry {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ example: 'customer.created' })
  readonly action!: string;

  @ApiProperty({ format: 'uuid' })
  readonly entityId!: string;

  @ApiProperty({ type: 'object', additionalProperties: true })
  readonly changes!: unknown;

  @ApiProperty({ type: String, nullable: true, description: 'leads to the lines of the log' })
  readonly requestId!: string | null;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'the user who did it; null: a program',
  })
  readonly createdBy!: string | null;

  static of(line: AuditLog): AuditLogEntry {
    const { id, action, entityId, changes, requestId, createdAt, createdBy } = line;
    return { id, action, entityId, changes, requestId, createdAt, createdBy };
  }
}

export class AuditLogPage {
  @ApiProperty({ type: [AuditLogEntry] })
  readonly data!: AuditLogEntry[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
