import {
  type ChangeHeaders,
  type CreateProject,
  changeHeaders,
  createProject,
  idempotentHeaders,
  type ListProjects,
  listProjects,
  type Project,
  project,
  projectPage,
  type ReadHeaders,
  readHeaders,
  type UpdateProject,
  updateProject,
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
import { Needs } from '../auth/access.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { etag, expectedVersion, matchesNone } from '../common/http/etag.js';
import { ETAG_HEADER, NOT_MODIFIED } from '../common/http/etag-openapi.js';
import { IdempotencyInterceptor } from '../common/idempotency/idempotency.interceptor.js';
import type { Page } from '../common/pagination/page.js';
import { Answer } from '../common/validation/answer.js';
import { headerFields, RequestHeaders } from '../common/validation/request-headers.js';
import { ProjectsService } from './projects.service.js';

const projectId = z.uuid();

@ApiTags('projects')
@ApiBearerAuth()
@Controller('projects')
export class ProjectsController {
  constructor(private readonly projects: ProjectsService) {}

  @Post()
  @UseInterceptors(IdempotencyInterceptor)
  @ApiHeaders(headerFields(idempotentHeaders))
  @ApiOperation({ summary: 'Create a project' })
  @ApiCreatedResponse({ standardSchema: project, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 409, 413, 415, 422)
  @Answer(project)
  async createProject(
    @Body({ schema: createProject }) body: CreateProject,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Project> {
    const created = await this.projects.create(body);
    reply.header('location', `/projects/${created.id}`).header('etag', etag(created.version));
    return created;
  }

  @Get()
  @ApiOperation({ summary: 'List projects by their creation' })
  @ApiOkResponse({ standardSchema: projectPage })
  @ApiProblems(400, 401)
  @Answer(projectPage)
  async listProjects(@Query({ schema: listProjects }) query: ListProjects): Promise<Page<Project>> {
    return this.projects.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a project' })
  @ApiOkResponse({ standardSchema: project, headers: ETAG_HEADER })
  @ApiNotModifiedResponse(NOT_MODIFIED)
  @ApiProblems(400, 401, 404)
  @Answer(project)
  async getProject(
    @Param('id', { schema: projectId }) id: string,
    @RequestHeaders({ schema: readHeaders }) headers: ReadHeaders,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Project | undefined> {
    const found = await this.projects.get(id);
    reply.header('etag', etag(found.version));
    if (matchesNone(headers['if-none-match'], found.version)) {
      reply.status(HttpStatus.NOT_MODIFIED);
      return undefined;
    }
    return found;
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a project' })
  @ApiOkResponse({ standardSchema: project, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 404, 409, 412, 413, 415, 428)
  @Answer(project)
  async updateProject(
    @Param('id', { schema: projectId }) id: string,
    @RequestHeaders({ schema: changeHeaders }) headers: ChangeHeaders,
    @Body({ schema: updateProject }) body: UpdateProject,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Project> {
    const updated = await this.projects.update(id, await this.expectedVersion(id, headers), body);
    reply.header('etag', etag(updated.version));
    return updated;
  }

  @Delete(':id')
  @Needs('admin')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Delete a project',
    description: 'For admins. Its name is free again, its tasks are gone until it is restored.',
  })
  @ApiNoContentResponse()
  @ApiProblems(400, 401, 403, 404, 412, 428)
  async deleteProject(
    @Param('id', { schema: projectId }) id: string,
    @RequestHeaders({ schema: changeHeaders }) headers: ChangeHeaders,
  ): Promise<void> {
    await this.projects.remove(id, await this.expectedVersion(id, headers));
  }

  @Post(':id/restore')
  @Needs('admin')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Restore a deleted project',
    description: 'For admins. Its tasks and exports return with it.',
  })
  @ApiOkResponse({ standardSchema: project, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403, 404, 409)
  @Answer(project)
  async restoreProject(
    @Param('id', { schema: projectId }) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Project> {
    const restored = await this.projects.restore(id);
    reply.header('etag', etag(restored.version));
    return restored;
  }

  private async expectedVersion(id: string, headers: ChangeHeaders): Promise<number> {
    return expectedVersion(headers['if-match'], async () => (await this.projects.get(id)).version);
  }
}
