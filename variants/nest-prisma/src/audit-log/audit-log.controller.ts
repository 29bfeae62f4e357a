import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ForMembers, Needs } from '../auth/access.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import type { Page } from '../common/pagination/keyset.js';
import { AuditLog } from './audit-log.service.js';
import { AuditLogEntry, AuditLogPage, ListAuditLogQuery } from './dto/audit-log.dto.js';

@ApiTags('audit log')
@ForMembers()
@Needs('ADMIN')
@Controller('api/v1/audit-log')
export class AuditLogController {
  constructor(private readonly audit: AuditLog) {}

  @Get()
  @ApiOperation({ summary: 'List what was done, the latest first' })
  @ApiOkResponse({ type: AuditLogPage })
  @ApiProblems(400, 401, 403)
  async listAuditLog(@Query() query: ListAuditLogQuery): Promise<Page<AuditLogEntry>> {
    return this.audit.list(query);
  }
}
