import {
  type ChangeHeaders,
  type CreateTask,
  changeHeaders,
  createTask,
  idempotentHeaders,
  type ListTasks,
  listTasks,
  type ReadHeaders,
  readHeaders,
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
  ApiHeaders,
  ApiNoContentResponse,
  ApiNotModifiedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { etag, expectedVersion, matchesNone } from '../common/http/etag.js';
import { ETAG_HEADER, NOT_MODIFIED } from '../common/http/etag-openapi.js';
import { IdempotencyInterceptor } from '../common/idempotency/idempotency.interceptor.js';
import type { Page } from '../common/pagination/page.js';
import { Answer } from '../common/validation/answer.js';
import { headerFields, RequestHeaders } from '../common/validation/request-headers.js';
import { TasksService } from './tasks.service.js';

const taskId = z.uuid();

@ApiTags('tasks')
@ApiBearerAuth()
@Controller('tasks')
export class TasksController {
  constructor(private readonly tasks: TasksService) {}

  @Post()
  @UseInterceptors(IdempotencyInterceptor)
  @ApiHeaders(headerFields(idempotentHeaders))
  @ApiOperation({ summary: 'Create a task in a project' })
  @ApiCreatedResponse({ standardSchema: task, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 404, 413, 415, 422)
  @Answer(task)
  async createTask(
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
  async listTasks(@Query({ schema: listTasks }) query: ListTasks): Promise<Page<Task>> {
    return this.tasks.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a task' })
  @ApiOkResponse({ standardSchema: task, headers: ETAG_HEADER })
  @ApiNotModifiedResponse(NOT_MODIFIED)
  @ApiProblems(400, 401, 404)
  @Answer(task)
  async getTask(
    @Param('id', { schema: taskId }) id: string,
    @RequestHeaders({ schema: readHeaders }) headers: ReadHeaders,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Task | undefined> {
    const found = await this.tasks.get(id);
    reply.header('etag', etag(found.version));
    if (matchesNone(headers['if-none-match'], found.version)) {
      reply.status(HttpStatus.NOT_MODIFIED);
      return undefined;
    }
    return found;
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a task' })
  @ApiOkResponse({ standardSchema: task, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 404, 412, 413, 415, 428)
  @Answer(task)
  async updateTask(
    @Param('id', { schema: taskId }) id: string,
    @RequestHeaders({ schema: changeHeaders }) headers: ChangeHeaders,
    @Body({ schema: updateTask }) body: UpdateTask,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Task> {
    const updated = await this.tasks.update(id, await this.expectedVersion(id, headers), body);
    reply.header('etag', etag(updated.version));
    return updated;
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Delete a task' })
  @ApiNoContentResponse()
  @ApiProblems(400, 401, 404, 412, 428)
  async deleteTask(
    @Param('id', { schema: taskId }) id: string,
    @RequestHeaders({ schema: changeHeaders }) headers: ChangeHeaders,
  ): Promise<void> {
    await this.tasks.remove(id, await this.expectedVersion(id, headers));
  }

  private async expectedVersion(id: string, headers: ChangeHeaders): Promise<number> {
    return expectedVersion(headers['if-match'], async () => (await this.tasks.get(id)).version);
  }
}
