import { Module } from '@nestjs/common';
import { GoogleOAuthService } from '../google/google-oauth.service.js';
import { GoogleConnectionsController } from './google-connections.controller.js';
import { GoogleConnectionsService } from './google-connections.service.js';
import { PendingAuthorizations } from './pending-authorizations.js';

@Module({
  controllers: [GoogleConnectionsController],
  providers: [GoogleConnectionsService, GoogleOAuthService, PendingAuthorizations],
  exports: [GoogleConnectionsService],
})
export class GoogleConnectionsModule {}
