export const dynamic = 'force-dynamic';

/** Whether the process runs. It asks nothing else: restarting the service does not mend what it depends on. */
export function GET(): Response {
  return Response.json({ status: 'ok' }, { headers: { 'cache-control': 'no-store' } });
}
