import { Global, Module } from '@nestjs/common';
import { SyncsModule } from '../syncs/syncs.module.js';
import { TrackingSetupsModule } from '../tracking-setups/tracking-setups.module.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { DeadLetters } from './dead-letters.service.js';
import { RequeueService } from './requeue.service.js';

@Global()
@Module({
  imports: [TrackingSetupsModule, SyncsModule],
  controllers: [DeadLettersController],
  providers: [DeadLetters, RequeueService],
  exports: [DeadLetters],
})
export class DeadLettersModule {}
