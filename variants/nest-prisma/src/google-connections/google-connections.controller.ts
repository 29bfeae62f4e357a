import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { CurrentPrincipal, ForMembers, Needs } from '../auth/access.guard.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import {
  AuthorizationResponse,
  ConnectionResponse,
  ConnectionsResponse,
  FinishConnectionDto,
} from './dto/google-connection.dto.js';
import { GoogleConnectionsService } from './google-connections.service.js';

const ID = { name: 'id', schema: { type: 'string' as const, format: 'uuid' } };

@ApiTags('connections')
@ForMembers()
@Controller('api/v1/connections')
export class GoogleConnectionsController {
  constructor(private readonly connections: GoogleConnectionsService) {}

  @Post('authorizations')
  @Needs('ADMIN')
  @ApiOperation({
    summary: 'Begin to connect a Google account',
    description:
      'Send the user to the address; they come back to GOOGLE_REDIRECT_URI with a state and a code.',
  })
  @ApiCreatedResponse({ type: AuthorizationResponse })
  @ApiProblems(401, 403)
  async beginConnection(@CurrentPrincipal() { identity }: Principal): Promise<AuthorizationResponse> {
    return { authorizationUrl: await this.connections.begin(identity.userId ?? '') };
  }

  @Post()
  @Needs('ADMIN')
  @ApiOperation({ summary: 'Finish to connect a Google account', description: 'By the user who began it.' })
  @ApiCreatedResponse({ type: ConnectionResponse })
  @ApiProblems(400, 401, 403, 413, 415)
  async finishConnection(
    @CurrentPrincipal() { identity }: Principal,
    @Body() { state, code }: FinishConnectionDto,
  ): Promise<ConnectionResponse> {
    return ConnectionResponse.of(await this.connections.finish(identity.userId ?? '', state, code));
  }

  @Get()
  @ApiOperation({ summary: 'List the Google accounts that are connected' })
  @ApiOkResponse({ type: ConnectionsResponse })
  @ApiProblems(401, 403)
  async listConnections(): Promise<ConnectionsResponse> {
    return { data: (await this.connections.list()).map(ConnectionResponse.of) };
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a connection' })
  @ApiParam(ID)
  @ApiOkResponse({ type: ConnectionResponse })
  @ApiProblems(400, 401, 403, 404)
  async getConnection(@Param('id', UuidPipe) id: string): Promise<ConnectionResponse> {
    return ConnectionResponse.of(await this.connections.get(id));
  }

  @Delete(':id')
  @Needs('ADMIN')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'End a connection, here and at Google' })
  @ApiParam(ID)
  @ApiNoContentResponse({ description: 'It is ended' })
  @ApiProblems(400, 401, 403, 404)
  async endConnection(@Param('id', UuidPipe) id: string): Promise<void> {
    await this.connections.disconnect(id);
  }
}
