import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { meter } from '../common/telemetry/metrics.js';

/** The connection pool's state, named as OpenTelemetry's database conventions have it. */
@Injectable()
export class DatabaseMetrics implements OnModuleInit {
  constructor(private readonly dataSource: DataSource) {}

  onModuleInit(): void {
    const pool = (): Pool => (this.dataSource.driver as unknown as { readonly master: Pool }).master;
    meter
      .createObservableGauge('db.client.connection.count', {
        description: 'Connections of the pool, by state',
      })
      .addCallback((result) => {
        const { totalCount, idleCount } = pool();
        result.observe(idleCount, { 'db.client.connection.state': 'idle' });
        result.observe(totalCount - idleCount, { 'db.client.connection.state': 'used' });
      });
    meter
      .createObservableGauge('db.client.connection.pending_requests', {
        description: 'Requests that wait for a connection',
      })
      .addCallback((result) => result.observe(pool().waitingCount));
  }
}
