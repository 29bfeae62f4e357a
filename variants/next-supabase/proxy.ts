import { randomUUID } from 'node:crypto';
import { type NextRequest, NextResponse } from 'next/server';
import { config as settings } from '@/lib/config/config';

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const EXPOSED =
  'etag, idempotency-replayed, location, ratelimit, ratelimit-policy, retry-after, x-request-id';

const ALONE = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** An API: nothing that it answers is to be shown, framed or run. */
const NOTHING = `default-src 'none'; ${ALONE}`;

/** Swagger UI has styles and icons of its own in the page. */
const DOCS = `default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; ${ALONE}`;

// What Next.js and React do in development alone: code as text, and styles that are replaced in the page.
const [EVAL, INLINE] =
  process.env.NODE_ENV === 'development' ? [" 'unsafe-eval'", " 'unsafe-inline'"] : ['', ''];

/** Next.js puts scripts into its pages, and on each the nonce that it finds in this policy of the request. */
const page = (nonce: string) =>
  `default-src 'none'; script-src 'nonce-${nonce}' 'strict-dynamic'${EVAL}; style-src 'self'${INLINE}; img-src 'self' data:; connect-src 'self'; ${ALONE}`;

const SECURITY_HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Security headers on every answer, and CORS for the origins that CORS_ORIGINS lists. */
export function proxy(request: NextRequest): NextResponse {
  const origin = request.headers.get('origin');
  const allowed = origin !== null && settings().CORS_ORIGINS.includes(origin);
  const isPreflight =
    request.method === 'OPTIONS' && origin !== null && request.headers.has('access-control-request-method');
  const policy = policyFor(request.nextUrl.pathname);
  const headers = new Headers(request.headers);
  headers.set('content-security-policy', policy);
  const response = isPreflight
    ? new NextResponse(null, { status: 204 })
    : NextResponse.next({ request: { headers } });
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.headers.set(name, value);
  response.headers.set('content-security-policy', policy);
  response.headers.append('vary', 'Origin');
  if (!allowed) return response;
  response.headers.set('access-control-allow-origin', origin);
  response.headers.set('access-control-expose-headers', EXPOSED);
  if (isPreflight) {
    response.headers.set('access-control-allow-methods', METHODS);
    response.headers.set(
      'access-control-allow-headers',
      'authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id',
    );
    response.headers.set('access-control-max-age', '600');
  }
  return response;
}

function policyFor(path: string): string {
  if (path === '/docs') return DOCS;
  return path === '/status' ? page(randomUUID()) : NOTHING;
}
