import { Body, Controller, Headers, Param, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { IDEMPOTENCY_KEY_PATTERN, readIdempotencyKey } from '../common/idempotency/idempotency-key.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { PurchaseResponse } from './dto/purchase-response.dto.js';
import { PurchaseTicketsDto } from './dto/purchase-tickets.dto.js';
import { TicketsService } from './tickets.service.js';

@ApiTags('tickets')
@Controller('events/:id/tickets')
export class TicketsController {
  constructor(private readonly tickets: TicketsService) {}

  @Post('purchase')
  @ApiOperation({
    summary: 'Buy tickets',
    description:
      'All of the quantity or none. With an Idempotency-Key a repetition is answered like the first.',
  })
  @ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'unique to this purchase, e.g. a UUID; remembered for 24 hours',
    schema: { type: 'string', pattern: IDEMPOTENCY_KEY_PATTERN },
  })
  @ApiCreatedResponse({
    type: PurchaseResponse,
    headers: {
      'idempotency-replayed': {
        description: 'true where this is the answer to an earlier request',
        schema: { type: 'string' },
      },
    },
  })
  @ApiProblems(400, 404, 409, 413, 415, 422)
  async purchaseTickets(
    @Param('id', UuidPipe) eventId: string,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Body() body: PurchaseTicketsDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PurchaseResponse> {
    const { response, replayed } = await this.tickets.purchase(
      eventId,
      body,
      {
        receivedAt: performance.now() - reply.elapsedTime,
        isAbandoned: () => reply.sent || reply.raw.destroyed,
      },
      readIdempotencyKey(idempotencyKey),
    );
    if (replayed) reply.header('idempotency-replayed', 'true');
    return response;
  }
}
