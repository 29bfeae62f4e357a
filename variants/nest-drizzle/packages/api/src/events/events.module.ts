import { RelayDatabase } from '@app/database';
import { Module } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../common/database/pool.js';
import { InProcessPublisher } from './in-process.publisher.js';
import { OutboxService } from './outbox.service.js';
import { EVENT_PUBLISHER } from './publisher.js';
import { RelayService } from './relay.service.js';

@Module({
  providers: [
    { provide: RelayDatabase, useFactory: (pool: Pool) => new RelayDatabase(pool), inject: [POOL] },
    { provide: EVENT_PUBLISHER, useClass: InProcessPublisher },
    OutboxService,
    RelayService,
  ],
  exports: [OutboxService],
})
export class EventsModule {}
