/** Run by Next.js once, before the first request: the connection that every request needs is made ahead. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return;
  const { redis } = await import('@/lib/redis/redis');
  redis();
}
