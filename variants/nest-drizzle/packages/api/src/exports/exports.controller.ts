import { idempotentHeaders, type ProjectExport, projectExport } from '@app/shared';
import { Controller, Get, HttpCode, HttpStatus, Param, Post, Res, UseInterceptors } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiHeaders,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { IdempotencyInterceptor } from '../common/idempotency/idempotency.interceptor.js';
import { Answer } from '../common/validation/answer.js';
import { headerFields } from '../common/validation/request-headers.js';
import { ExportsService } from './exports.service.js';

const uuid = z.uuid();

@ApiTags('exports')
@ApiBearerAuth()
@Controller()
export class ExportsController {
  constructor(private readonly exports: ExportsService) {}

  @Post('projects/:projectId/exports')
  @HttpCode(HttpStatus.ACCEPTED)
  @UseInterceptors(IdempotencyInterceptor)
  @ApiHeaders(headerFields(idempotentHeaders))
  @ApiOperation({
    summary: 'Ask for an export of a project',
    description:
      'A job makes it; Location says where it will be. While one of the project waits, that one is returned. Beyond EXPORT_MAX_BYTES it fails.',
  })
  @ApiAcceptedResponse({ standardSchema: projectExport })
  @ApiProblems(400, 401, 404, 422)
  @Answer(projectExport)
  async requestExport(
    @Param('projectId', { schema: uuid }) projectId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectExport> {
    const requested = await this.exports.request(projectId);
    reply.header('location', `/exports/${requested.id}`);
    return requested;
  }

  @Get('exports/:id')
  @ApiOperation({ summary: 'Get an export' })
  @ApiOkResponse({ standardSchema: projectExport })
  @ApiProblems(400, 401, 404)
  @Answer(projectExport)
  async getExport(@Param('id', { schema: uuid }) id: string): Promise<ProjectExport> {
    return this.exports.get(id);
  }
}
