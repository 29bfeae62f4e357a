import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { meter } from '../common/telemetry/metrics.js';
import { ScopedPool } from './scoped-pool.js';

/** The connection pool's state, named as OpenTelemetry's database conventions have it. */
@Injectable()
export class DatabaseMetrics implements OnModuleInit {
  private readonly logger = new Logger(DatabaseMetrics.name);

  constructor(private readonly pool: ScopedPool) {}

  onModuleInit(): void {
    // An idle connection that the server ends; without a listener that would end the process.
    this.pool.on('error', (error) => this.logger.warn({ err: error }, 'an idle connection was lost'));
    meter
      .createObservableGauge('db.client.connection.count', {
        description: 'Connections of the pool, by state',
      })
      .addCallback((result) => {
        const { totalCount, idleCount } = this.pool;
        result.observe(idleCount, { 'db.client.connection.state': 'idle' });
        result.observe(totalCount - idleCount, { 'db.client.connection.state': 'used' });
      });
    meter
      .createObservableGauge('db.client.connection.pending_requests', {
        description: 'Requests that wait for a connection',
      })
      .addCallback((result) => result.observe(this.pool.waitingCount));
  }
}
