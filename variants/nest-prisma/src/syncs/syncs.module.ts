import { Module } from '@nestjs/common';
import { GoogleModule } from '../google/google.module.js';
import { GoogleResourcesController } from './google-resources.controller.js';
import { GoogleResourcesService } from './google-resources.service.js';
import { syncSources } from './sources/sync-sources.js';
import { SyncQueue } from './sync.queue.js';
import { SyncRunner } from './sync-runner.js';
import { SyncsController } from './syncs.controller.js';
import { SyncsRedelivery } from './syncs.redelivery.js';
import { SyncsService } from './syncs.service.js';

@Module({
  imports: [GoogleModule],
  controllers: [SyncsController, GoogleResourcesController],
  providers: [SyncsService, GoogleResourcesService, SyncQueue, SyncRunner, SyncsRedelivery, ...syncSources],
  exports: [SyncsService, SyncRunner, SyncsRedelivery],
})
export class SyncsModule {}
