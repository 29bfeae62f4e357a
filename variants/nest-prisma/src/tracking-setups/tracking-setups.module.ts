import { Module } from '@nestjs/common';
import { GoogleModule } from '../google/google.module.js';
import { SetupQueue } from './setup.queue.js';
import { SetupRunner } from './setup-runner.js';
import { SetupsRedelivery } from './setups.redelivery.js';
import { setupSteps } from './steps/setup-steps.js';
import { TrackingSetupsController } from './tracking-setups.controller.js';
import { TrackingSetupsService } from './tracking-setups.service.js';

@Module({
  imports: [GoogleModule],
  controllers: [TrackingSetupsController],
  providers: [TrackingSetupsService, SetupQueue, SetupRunner, SetupsRedelivery, ...setupSteps],
  exports: [TrackingSetupsService, SetupRunner, SetupsRedelivery],
})
export class TrackingSetupsModule {}
