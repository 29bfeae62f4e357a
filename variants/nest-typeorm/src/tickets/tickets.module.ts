import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { IdempotencyKey } from './idempotency-key.entity.js';
import { IdempotencyKeysJob } from './idempotency-keys.job.js';
import { Purchase } from './purchase.entity.js';
import { Ticket } from './ticket.entity.js';
import { TicketsController } from './tickets.controller.js';
import { TicketsRepository } from './tickets.repository.js';
import { TicketsService } from './tickets.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Purchase, Ticket, IdempotencyKey])],
  controllers: [TicketsController],
  providers: [TicketsService, TicketsRepository, IdempotencyKeysJob],
})
export class TicketsModule {}
