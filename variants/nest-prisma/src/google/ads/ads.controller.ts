import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ForMembers, Needs } from '../../auth/access.guard.js';
import { ApiProblems } from '../../common/errors/api-problems.decorator.js';
import { UuidPipe } from '../../common/validation/uuid.pipe.js';
import { GOOGLE_ID_PATTERN, GoogleIdPipe } from '../calls/google-id.pipe.js';
import { AdsService } from './ads.service.js';
import { CustomersResponse, UploadConversionsDto, UploadResponse } from './dto/ads.dto.js';

const ID = { name: 'id', schema: { type: 'string' as const, format: 'uuid' } };
const CUSTOMER_ID = {
  name: 'customerId',
  schema: { type: 'string' as const, pattern: GOOGLE_ID_PATTERN },
};

/** Each request costs some of the project's quota at Google, so it is for those who work with the answer. */
@ApiTags('google ads')
@ForMembers()
@Needs('MEMBER')
@Controller('api/v1/connections/:id/ads/customers')
export class AdsController {
  constructor(private readonly ads: AdsService) {}

  @Get()
  @ApiOperation({ summary: 'List the Google Ads accounts that the connection reaches' })
  @ApiParam(ID)
  @ApiOkResponse({ type: CustomersResponse })
  @ApiProblems(400, 401, 403, 404, 409, 422)
  async listAdsCustomers(@Param('id', UuidPipe) id: string): Promise<CustomersResponse> {
    return { data: await this.ads.listAccessibleCustomers(id) };
  }

  @Post(':customerId/conversions')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Upload conversions',
    description:
      'Google takes those that it finds no fault with; the others come back. The same upload may be sent again: a ' +
      'conversion counts once, by its transactionId.',
  })
  @ApiParam(ID)
  @ApiParam(CUSTOMER_ID)
  @ApiOkResponse({ type: UploadResponse })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422)
  async uploadConversions(
    @Param('id', UuidPipe) id: string,
    @Param('customerId', GoogleIdPipe) customerId: string,
    @Body() { conversions }: UploadConversionsDto,
  ): Promise<UploadResponse> {
    const uploaded = conversions.map(({ occurredAt, ...conversion }) => ({
      ...conversion,
      occurredAt: new Date(occurredAt),
    }));
    return this.ads.uploadConversions(id, customerId, uploaded);
  }
}
