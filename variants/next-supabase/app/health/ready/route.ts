import { readiness } from '@/lib/health/readiness';

export const dynamic = 'force-dynamic';

export async function GET(): Promise<Response> {
  const report = await readiness();
  const status = report.status === 'ok' ? 200 : 503;
  return Response.json(report, { status, headers: { 'cache-control': 'no-store' } });
}
