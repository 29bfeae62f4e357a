import {
  Controller,
  Get,
  Header,
  HttpStatus,
  Inject,
  Res,
  ServiceUnavailableException,
} from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { SkipThrottle } from '@nestjs/throttler';
import type { FastifyReply } from 'fastify';
import type { Pool } from 'pg';
import { Public } from '../auth/access.guard.js';
import { POOL } from '../common/database/pool.js';

/** Longer than a database that is well ever takes, shorter than the period of a probe. */
const PING_LIMIT_MS = 1_000;

/** For orchestrators and balancers; not part of the public API. */
@ApiExcludeController()
@SkipThrottle()
@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    @Inject(POOL) private readonly pool: Pool,
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
          await this.pool.query('SELECT 1');
        } catch {
          // The driver's message names hosts and ports; the log has it.
          throw new Error('the database does not answer');
        }
      })
      .withTimeout(PING_LIMIT_MS);
  }
}
