import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { SkipThrottle } from '@nestjs/throttler';
[% if variant != 'nest-typeorm' -%]
import { Public } from '../../auth/access.guard.js';
[% endif -%]
import { renderMetrics } from './metrics.js';

/** For Prometheus; not part of the public API, so keep it off the public ingress. */
@ApiExcludeController()
@SkipThrottle()
[% if variant != 'nest-typeorm' -%]
@Public()
[% endif -%]
@Controller('metrics')
export class MetricsController {
  @Get()
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @Header('cache-control', 'no-store')
  metrics(): Promise<string> {
    return renderMetrics();
  }
}
