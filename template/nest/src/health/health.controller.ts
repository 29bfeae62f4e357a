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
[% if variant != 'nest-typeorm' -%]
import { Public } from '../auth/access.guard.js';
[% endif -%]
import { Drain } from '../common/http/drain.js';
import { DEPENDENCIES, type Dependency } from './dependency.js';

/** What Fastify's and Express's replies have in common. */
interface HttpReply {
  status(code: number): unknown;
}

/** Longer than a dependency that is well ever takes, shorter than the period of a probe. */
const PING_LIMIT_MS = 1_000;

/** For orchestrators and balancers; not part of the public API. */
@ApiExcludeController()
@SkipThrottle()
[% if variant != 'nest-typeorm' -%]
@Public()
[% endif -%]
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly drain: Drain,
    @Inject(DEPENDENCIES) private readonly dependencies: readonly Dependency[],
  ) {}

  /** Whether the process runs. It asks nothing else: restarting the service does not mend what it depends on. */
  @Get('live')
  @Header('cache-control', 'no-store')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Whether requests should come here: each dependency with its status and latency in milliseconds. */
  @Get('ready')
  @Header('cache-control', 'no-store')
  async ready(@Res({ passthrough: true }) reply: HttpReply): Promise<object> {
    // From the signal on, while what was accepted is still being finished: Terminus would say so only after that.
    if (this.drain.draining) {
      reply.status(HttpStatus.SERVICE_UNAVAILABLE);
      return { status: 'shutting_down', details: {} };
    }
    try {
      const { status, details } = await this.health.check(
        this.dependencies.map((dependency) => async () => this.ping(dependency)),
      );
      return { status, details };
    } catch (error) {
      // The report is the answer, with another status; it is not an error of the request.
      if (!(error instanceof ServiceUnavailableException)) throw error;
      const { status, details } = error.getResponse() as { status: string; details: object };
      reply.status(HttpStatus.SERVICE_UNAVAILABLE);
      return { status, details };
    }
  }

  private ping({ name, ping[% if variant == 'nest-drizzle' and messaging == 'nats' %], details[% endif %] }: Dependency) {
    return this.indicators
      .check(name)
      .attempt(async () => {
        try {
          await ping();
        } catch {
          // The driver's message names hosts and ports; the log has it.
          throw new Error(`the ${name} does not answer`);
        }
[%- if variant == 'nest-drizzle' and messaging == 'nats' %]
        return details?.();
[%- endif %]
      })
      .withTimeout(PING_LIMIT_MS);
  }
}
