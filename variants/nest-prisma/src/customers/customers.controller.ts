import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  HttpStatus,
  Param,
  Patch,
  Post,
  Query,
  Res,
  UseInterceptors,
} from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiNotModifiedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { ForMembers, Needs } from '../auth/access.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { etag, expectedVersion, matchesNone } from '../common/http/etag.js';
import { ETAG_HEADER, IF_MATCH } from '../common/http/etag-openapi.js';
import {
  IDEMPOTENCY_KEY_HEADER,
  IdempotencyInterceptor,
} from '../common/idempotency/idempotency.interceptor.js';
import type { Page } from '../common/pagination/keyset.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { CustomersService } from './customers.service.js';
import { CreateCustomerDto } from './dto/create-customer.dto.js';
import { CustomerPage, CustomerResponse } from './dto/customer-response.dto.js';
import { ListCustomersQuery } from './dto/list-customers.query.js';
import { UpdateCustomerDto } from './dto/update-customer.dto.js';

const PATH = 'api/v1/customers';
const ID = { name: 'id', schema: { type: 'string' as const, format: 'uuid' } };
const LOCATION = { location: { description: 'where the customer is', schema: { type: 'string' as const } } };

@ApiTags('customers')
@ForMembers()
@Controller(PATH)
export class CustomersController {
  constructor(private readonly customers: CustomersService) {}

  @Post()
  @Needs('MEMBER')
  @UseInterceptors(IdempotencyInterceptor)
  @ApiOperation({ summary: 'Create a customer' })
  @ApiHeader(IDEMPOTENCY_KEY_HEADER)
  @ApiCreatedResponse({ type: CustomerResponse, headers: { ...LOCATION, ...ETAG_HEADER } })
  @ApiProblems(400, 401, 403, 409, 413, 415, 422)
  async createCustomer(
    @Body() body: CreateCustomerDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CustomerResponse> {
    const customer = await this.customers.create(body);
    response.location(`/${PATH}/${customer.id}`).header('etag', etag(customer.version));
    return CustomerResponse.of(customer);
  }

  @Get()
  @ApiOperation({ summary: 'List customers' })
  @ApiOkResponse({ type: CustomerPage })
  @ApiProblems(400, 401, 403)
  async listCustomers(@Query() query: ListCustomersQuery): Promise<Page<CustomerResponse>> {
    return this.customers.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a customer' })
  @ApiParam(ID)
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'ETags already held',
    schema: { type: 'string' },
  })
  @ApiOkResponse({ type: CustomerResponse, headers: ETAG_HEADER })
  @ApiNotModifiedResponse({
    description: 'The customer is still at the version that If-None-Match names',
    headers: ETAG_HEADER,
  })
  @ApiProblems(400, 401, 403, 404)
  async getCustomer(
    @Param('id', UuidPipe) id: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CustomerResponse | undefined> {
    const customer = await this.customers.get(id);
    response.header('etag', etag(customer.version));
    if (matchesNone(ifNoneMatch, customer.version)) {
      response.status(HttpStatus.NOT_MODIFIED);
      return undefined;
    }
    return CustomerResponse.of(customer);
  }

  @Patch(':id')
  @Needs('MEMBER')
  @ApiOperation({
    summary: 'Change a customer',
    description: 'Optimistic locking: If-Match names the version that the change is meant for.',
  })
  @ApiParam(ID)
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: CustomerResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403, 404, 409, 412, 413, 415, 428)
  async updateCustomer(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body: UpdateCustomerDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CustomerResponse> {
    const customer = await this.customers.update(id, await this.expectedVersion(id, ifMatch), body);
    response.header('etag', etag(customer.version));
    return CustomerResponse.of(customer);
  }

  @Delete(':id')
  @Needs('MEMBER')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Delete a customer with its trackings',
    description: 'They can be restored. Trackings that are set up at Google have to be deleted first.',
  })
  @ApiParam(ID)
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse({ description: 'It is deleted' })
  @ApiProblems(400, 401, 403, 404, 409, 412, 428)
  async deleteCustomer(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.customers.remove(id, await this.expectedVersion(id, ifMatch));
  }

  @Post(':id/restore')
  @Needs('MEMBER')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Restore a deleted customer',
    description: 'With what was deleted along with it.',
  })
  @ApiParam(ID)
  @ApiOkResponse({ type: CustomerResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403, 404, 409)
  async restoreCustomer(
    @Param('id', UuidPipe) id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CustomerResponse> {
    const customer = await this.customers.restore(id);
    response.header('etag', etag(customer.version));
    return CustomerResponse.of(customer);
  }

  private async expectedVersion(id: string, ifMatch: string | undefined): Promise<number> {
    return expectedVersion(ifMatch, async () => (await this.customers.get(id)).version);
  }
}
