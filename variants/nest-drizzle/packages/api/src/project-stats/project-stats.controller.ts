import { projectStats as table } from '@app/database';
import { type ProjectStats, projectStats } from '@app/shared';
import { Controller, Get, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { eq } from 'drizzle-orm';
import { z } from 'zod';
import { DatabaseService } from '../common/database/database.service.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { Answer } from '../common/validation/answer.js';
import { ProjectsService } from '../projects/projects.service.js';

const id = z.uuid();

@ApiTags('projects')
@ApiBearerAuth()
@Controller('projects/:projectId/stats')
export class ProjectStatsController {
  constructor(
    private readonly db: DatabaseService,
    private readonly projects: ProjectsService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'What has happened in a project',
    description: 'Counted from events: a moment behind.',
  })
  @ApiOkResponse({ standardSchema: projectStats })
  @ApiProblems(400, 401, 404)
  @Answer(projectStats)
  async getProjectStats(@Param('projectId', { schema: id }) projectId: string): Promise<ProjectStats> {
    await this.projects.get(projectId);
    const [row] = await this.db.select().from(table).where(eq(table.projectId, projectId));
    return { projectId, tasksCreated: row?.tasksCreated ?? 0, tasksDeleted: row?.tasksDeleted ?? 0 };
  }
}
