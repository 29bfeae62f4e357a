import {
  type CreateTask,
  createTask,
  type ListTasks,
  listTasks,
  type Task,
  task,
  taskPage,
  type UpdateTask,
  updateTask,
} from '@app/shared';
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
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiNotModifiedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { etag, matchesNone, requiredVersion } from '../common/http/etag.js';
import { ETAG_HEADER, IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED } from '../common/http/etag-openapi.js';
import {
  IDEMPOTENCY_KEY_HEADER,
  IdempotencyInterceptor,
} from '../common/idempotency/idempotency.interceptor.js';
import type { Page } from '../common/pagination/page.js';
import { Answer } from '../common/validation/answer.js';
import { TasksService } from './tasks.service.js';

const taskId = z.uuid();

@ApiTags('tasks')
@ApiBearerAuth()
@Controller('tasks')
export class TasksController {
  constructor(private readonly tasks: TasksService) {}

  @Post()
  @UseInterceptors(IdempotencyInterceptor)
  @ApiHeader(IDEMPOTENCY_KEY_HEADER)
  @ApiOperation({ summary: 'Create a task in a project' })
  @ApiCreatedResponse({ standardSchema: task, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 404, 413, 415, 422)
  @Answer(task)
  async create(
    @Body({ schema: createTask }) body: CreateTask,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Task> {
    const created = await this.tasks.create(body);
    reply.header('location', `/tasks/${created.id}`).header('etag', etag(created.version));
    return created;
  }

  @Get()
  @ApiOperation({ summary: 'List tasks by their creation' })
  @ApiOkResponse({ standardSchema: taskPage })
  @ApiProblems(400, 401)
  @Answer(taskPage)
  async list(@Query({ schema: listTasks }) query: ListTasks): Promise<Page<Task>> {
    return this.tasks.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a task' })
  @ApiHeader(IF_NONE_MATCH)
  @ApiOkResponse({ standardSchema: task, headers: ETAG_HEADER })
  @ApiNotModifiedResponse(NOT_MODIFIED)
  @ApiProblems(400, 401, 404)
  @Answer(task)
  async get(
    @Param('id', { schema: taskId }) id: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Task | undefined> {
    const found = await this.tasks.get(id);
    reply.header('etag', etag(found.version));
    if (matchesNone(ifNoneMatch, found.version)) {
      reply.status(HttpStatus.NOT_MODIFIED);
      return undefined;
    }
    return found;
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a task' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: task, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 404, 412, 413, 415, 428)
  @Answer(task)
  async update(
    @Param('id', { schema: taskId }) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body({ schema: updateTask }) body: UpdateTask,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Task> {
    const updated = await this.tasks.update(id, requiredVersion(ifMatch), body);
    reply.header('etag', etag(updated.version));
    return updated;
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Delete a task' })
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse()
  @ApiProblems(400, 401, 404, 412, 428)
  async remove(
    @Param('id', { schema: taskId }) id: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.tasks.remove(id, requiredVersion(ifMatch));
  }
}
