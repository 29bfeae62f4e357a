import { pool } from '@/lib/database/pool';
import { meter, observeRuntime } from './metrics';

/** Measures what nobody has to record: Node itself, and the connection pool in OpenTelemetry's names. Once per process. */
export function observe(): void {
  observeRuntime();
  meter
    .createObservableGauge('db.client.connection.count', { description: 'Connections of the pool, by state' })
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
