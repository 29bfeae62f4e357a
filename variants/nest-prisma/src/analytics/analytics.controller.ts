import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ForMembers } from '../auth/access.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { AnalyticsService } from './analytics.service.js';
import { TrackingAnalytics, TrackingAnalyticsQuery } from './dto/tracking-analytics.dto.js';

@ApiTags('analytics')
@ForMembers()
@Controller('api/v1/analytics')
export class AnalyticsController {
  constructor(private readonly analytics: AnalyticsService) {}

  @Get('trackings')
  @ApiOperation({ summary: 'Count the trackings that were created, by time and kind' })
  @ApiOkResponse({ type: TrackingAnalytics })
  @ApiProblems(400, 401, 403)
  async countTrackings(@Query() query: TrackingAnalyticsQuery): Promise<TrackingAnalytics> {
    return { data: await this.analytics.trackings(query) };
  }
}
