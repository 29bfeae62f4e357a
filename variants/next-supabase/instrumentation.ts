/** Run by Next.js once, before the first request: without Redis, that one would not be counted. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return;
  const { connectRedis } = await import('@/lib/redis/redis');
  const { startWebhookWorker } = await import('@/lib/webhooks/worker');
  await connectRedis();
  startWebhookWorker();
}
