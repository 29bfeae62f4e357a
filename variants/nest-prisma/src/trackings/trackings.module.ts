import { Module } from '@nestjs/common';
import { TrackingsController } from './trackings.controller.js';
import { TrackingsService } from './trackings.service.js';

@Module({ controllers: [TrackingsController], providers: [TrackingsService] })
export class TrackingsModule {}
