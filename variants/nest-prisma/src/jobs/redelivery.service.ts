import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { SyncsRedelivery } from '../syncs/syncs.redelivery.js';
import { SetupsRedelivery } from '../tracking-setups/setups.redelivery.js';

/** How often the worker looks for work without a job. */
const EVERY_MS = 10_000;

/**
 * A job is added once what it is about is committed, so it can be missing: Valkey was away, or the process died between the
 * two. What the database has is what counts: this adds jobs for everything that is not finished and has not moved for a
 * while. Their ids are derived from the rows, so a job that is there is not added twice.
 */
@Injectable()
export class Redelivery implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(Redelivery.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly setups: SetupsRedelivery,
    private readonly syncs: SyncsRedelivery,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running = this.running.then(() => this.sweep());
    }, EVERY_MS);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async sweep(): Promise<void> {
    for (const part of [this.setups, this.syncs]) {
      await part
        .redeliver()
        .catch((error) => this.logger.warn({ err: error }, 'jobs could not be looked for'));
    }
  }
}
