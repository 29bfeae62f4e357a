import { Controller, Get, HttpCode, HttpStatus, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ForMembers, Needs } from '../auth/access.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import type { Page } from '../common/pagination/keyset.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { DeadLetters } from './dead-letters.service.js';
import { DeadLetterPage, DeadLetterResponse, ListDeadLettersQuery } from './dto/dead-letter.dto.js';
import { RequeueService } from './requeue.service.js';

@ApiTags('dead letters')
@ForMembers()
@Needs('ADMIN')
@Controller('api/v1/dead-letters')
export class DeadLettersController {
  constructor(
    private readonly deadLetters: DeadLetters,
    private readonly requeueing: RequeueService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'List the jobs that have failed for good',
    description: 'The latest first, without those that were put back.',
  })
  @ApiOkResponse({ type: DeadLetterPage })
  @ApiProblems(400, 401, 403)
  async listDeadLetters(@Query() query: ListDeadLettersQuery): Promise<Page<DeadLetterResponse>> {
    return this.deadLetters.list(query);
  }

  @Post(':id/requeue')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Put a job back',
    description: 'What it is about is begun anew, and goes on from what is still there.',
  })
  @ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } })
  @ApiAcceptedResponse({ type: DeadLetterResponse })
  @ApiProblems(400, 401, 403, 404, 409)
  async requeueDeadLetter(@Param('id', UuidPipe) id: string): Promise<DeadLetterResponse> {
    return DeadLetterResponse.of(await this.requeueing.requeue(id));
  }
}
