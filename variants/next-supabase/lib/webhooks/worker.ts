import { setTimeout as sleep } from 'node:timers/promises';
import { config } from '@/lib/config/config';
import { drain } from '@/lib/drain';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { deliverDue, deliveryEnd } from './deliver';

/** Looks for webhooks to deliver every WEBHOOK_POLL_MS, until the process is told to stop. Any number of processes may. */
export function startWebhookWorker(): void {
  const { WEBHOOK_POLL_MS } = config();
  if (WEBHOOK_POLL_MS > 0) void processWide('webhook-worker', () => run(WEBHOOK_POLL_MS));
}

async function run(pauseMs: number): Promise<void> {
  while (!drain().draining) {
    const delivered = await deliverDue().catch((error: unknown) => {
      log().warn({ err: error }, 'webhooks could not be looked for');
      return 0;
    });
    // A delivery that ends makes room for the next one of its project.
    if (delivered === 0) await Promise.race([deliveryEnd(), sleep(pauseMs, undefined, { ref: false })]);
  }
}
