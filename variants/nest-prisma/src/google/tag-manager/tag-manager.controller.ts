import { Controller, Get, Param } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ForMembers, Needs } from '../../auth/access.guard.js';
import { ApiProblems } from '../../common/errors/api-problems.decorator.js';
import { UuidPipe } from '../../common/validation/uuid.pipe.js';
import { GOOGLE_ID_PATTERN, GoogleIdPipe } from '../calls/google-id.pipe.js';
import { AccountsResponse, ContainersResponse } from './dto/tag-manager.dto.js';
import { TagManagerService } from './tag-manager.service.js';

const ID = { name: 'id', schema: { type: 'string' as const, format: 'uuid' } };
const ACCOUNT_ID = {
  name: 'accountId',
  schema: { type: 'string' as const, pattern: GOOGLE_ID_PATTERN },
};

/** Each request costs some of the project's quota at Google, so it is for those who work with the answer. */
@ApiTags('google tag manager')
@ForMembers()
@Needs('MEMBER')
@Controller('api/v1/connections/:id/tag-manager')
export class TagManagerController {
  constructor(private readonly tagManager: TagManagerService) {}

  @Get('accounts')
  @ApiOperation({ summary: 'List the Tag Manager accounts that the connection reaches' })
  @ApiParam(ID)
  @ApiOkResponse({ type: AccountsResponse })
  @ApiProblems(400, 401, 403, 404, 409, 422)
  async listTagManagerAccounts(@Param('id', UuidPipe) id: string): Promise<AccountsResponse> {
    return { data: await this.tagManager.listAccounts(id) };
  }

  @Get('accounts/:accountId/containers')
  @ApiOperation({ summary: 'List the containers of a Tag Manager account' })
  @ApiParam(ID)
  @ApiParam(ACCOUNT_ID)
  @ApiOkResponse({ type: ContainersResponse })
  @ApiProblems(400, 401, 403, 404, 409, 422)
  async listTagManagerContainers(
    @Param('id', UuidPipe) id: string,
    @Param('accountId', GoogleIdPipe) accountId: string,
  ): Promise<ContainersResponse> {
    return { data: await this.tagManager.listContainers(id, accountId) };
  }
}
