import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { AuthModule } from './auth/auth.module.js';
import { CommonModule } from './common/common.module.js';
import { DatabaseModule } from './common/database/database.module.js';
import type { Config } from './config/config.js';
import { EventsModule } from './events/events.module.js';
import { HealthModule } from './health/health.module.js';
import { ProjectStatsModule } from './project-stats/project-stats.module.js';
import { ProjectsModule } from './projects/projects.module.js';
import { TasksModule } from './tasks/tasks.module.js';

@Module({})
export class AppModule {
  static forRoot(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        CommonModule.forRoot(config, logger),
        DatabaseModule.forRoot(config),
        AuthModule,
        EventsModule,
        HealthModule.forRoot(config),
        ProjectsModule,
        ProjectStatsModule,
        TasksModule,
      ],
    };
  }
}
