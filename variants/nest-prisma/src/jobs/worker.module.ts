import { Module } from '@nestjs/common';
import { SyncsModule } from '../syncs/syncs.module.js';
import { SyncsProcessor } from '../syncs/syncs.processor.js';
import { TrackingSetupsModule } from '../tracking-setups/tracking-setups.module.js';
import { TrackingSetupsProcessor } from '../tracking-setups/tracking-setups.processor.js';
import { JobRunner } from './job-runner.js';
import { Redelivery } from './redelivery.service.js';

/** Runs jobs: in the API's process, or in one of its own (`start:worker`). */
@Module({
  imports: [TrackingSetupsModule, SyncsModule],
  providers: [JobRunner, TrackingSetupsProcessor, SyncsProcessor, Redelivery],
})
export class WorkerModule {}
