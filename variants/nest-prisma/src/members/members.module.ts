import { Module } from '@nestjs/common';
import { MembersController } from './members.controller.js';
import { MembersService } from './members.service.js';
import { OwnInvitationsController } from './own-invitations.controller.js';
import { OwnInvitationsService } from './own-invitations.service.js';

@Module({
  controllers: [MembersController, OwnInvitationsController],
  providers: [MembersService, OwnInvitationsService],
})
export class MembersModule {}
