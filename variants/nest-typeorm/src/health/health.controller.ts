import { Controller, Get, Header, HttpStatus, Res, ServiceUnavailableException } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { SkipThrottle } from '@nestjs/throttler';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import { Drain } from '../common/http/drain.js';

/** Longer than a database that is well ever takes, shorter than the period of a probe. */
const PING_LIMIT_MS = 1_000;

/** For orchestrators and balancers; not part of the public API. */
@ApiExcludeController()
@SkipThrottle()
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly dataSource: DataSource,
    private readonly drain: Drain,
  ) {}

  /** Whether the process runs. It asks nothing else: restarting the service does not mend its database. */
  @Get('live')
  @Header('cache-control', 'no-store')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Whether requests should come here: each dependency with its status and latency in milliseconds. */
  @Get('ready')
  @Header('cache-control', 'no-store')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    // From the signal on, while what was accepted is still being finished: Terminus would say so only after that.
    if (this.drain.draining) {
      reply.status(HttpStatus.SERVICE_UNAVAILABLE);
      return { status: 'shutting_down', details: {} };
    }
    try {
      const { status, details } = await this.health.check([async () => this.pingDatabase()]);
      return { status, details };
    } catch (error) {
      // The report is the answer, with another status; it is not an error of the request.
      if (!(error instanceof ServiceUnavailableException)) throw error;
      const { status, details } = error.getResponse() as { status: string; details: object };
      reply.status(HttpStatus.SERVICE_UNAVAILABLE);
      return { status, details };
    }
  }

  private pingDatabase() {
    return this.indicators
      .check('database')
      .attempt(async () => {
        try {
          await this.dataSource.query('SELECT 1');
        } catch {
          // The driver's message names hosts and ports; the log has it.
          throw new Error('the database does not answer');
        }
      })
      .withTimeout(PING_LIMIT_MS);
  }
}
