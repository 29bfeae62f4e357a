import { Module } from '@nestjs/common';
import { ProjectsModule } from '../projects/projects.module.js';
import { ProjectStatsController } from './project-stats.controller.js';

@Module({ imports: [ProjectsModule], controllers: [ProjectStatsController] })
export class ProjectStatsModule {}
