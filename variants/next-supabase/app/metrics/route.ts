import { renderMetrics } from '@/lib/telemetry/metrics';

export const dynamic = 'force-dynamic';

/** For Prometheus; not part of the public API. */
export async function GET(): Promise<Response> {
  return new Response(await renderMetrics(), {
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
  });
}
