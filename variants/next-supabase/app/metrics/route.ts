import { renderMetrics } from '@/lib/telemetry/metrics';
import { observe } from '@/lib/telemetry/observe';

export const dynamic = 'force-dynamic';

// Here and not in instrumentation.ts, which Next.js bundles apart from the handlers and what they measure with.
observe();

/** For Prometheus; not part of the public API. */
export async function GET(): Promise<Response> {
  return new Response(await renderMetrics(), {
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
  });
}
