import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';

/**
 * Ends a worker: jobs that run are finished, while what they need is still there. Where Valkey is away nothing can be
 * finished, and BullMQ would wait for it for ever.
 */
export async function closeWorker(worker: Worker, connection: Redis): Promise<void> {
  await worker.close(connection.status !== 'ready');
}
