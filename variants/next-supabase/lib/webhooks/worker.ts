import { setTimeout as sleep } from 'node:timers/promises';
import { config } from '@/lib/config/config';
import { drain } from '@/lib/drain';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { deliverDue } from './deliver';

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
    if (delivered === 0) await sleep(pauseMs, undefined, { ref: false });
  }
}
