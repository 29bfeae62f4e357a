/**
 * Run by Next.js once, before the first request: without Redis, that one would not be counted, and the delay of the event
 * loop is measured from here on.
 */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return;
  const { connectRedis } = await import('@/lib/redis/redis');
  const { observe } = await import('@/lib/telemetry/observe');
  const { watchProjects } = await import('@/lib/events/project-events');
  const { startExpiry } = await import('@/lib/retention/expiry');
  const { startWebhookWorker } = await import('@/lib/webhooks/worker');
  observe();
  await connectRedis();
  watchProjects();
  startExpiry();
  startWebhookWorker();
}
