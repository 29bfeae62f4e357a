import { pool } from '@/lib/database/pool';
import { clientAddress } from '@/lib/http/client-address';
import { log } from '@/lib/log';

export type SecurityEvent =
  | 'auth.sign_in_failed'
  | 'auth.refresh_failed'
  | 'auth.denied'
  | 'access.denied'
  | 'api_key.created'
  | 'api_key.revoked'
  | 'rate_limit.exceeded';

/** Keeps an event in the table `security_events` and in the log. Nobody waits for it, and nothing fails with it. */
export function recordSecurityEvent(
  type: SecurityEvent,
  request: Request,
  about: { readonly userId?: string; readonly metadata?: Readonly<Record<string, string>> } = {},
): void {
  const { userId, metadata = {} } = about;
  const address = clientAddress(request);
  log().warn({ securityEvent: type, userId, address, ...metadata }, 'security event');
  pool()
    .query(
      `INSERT INTO public.security_events (user_id, event_type, request_id, ip, metadata)
       VALUES ($1, $2, $3, $4, $5)`,
      [
        userId ?? null,
        type,
        request.headers.get('x-request-id') ?? '',
        address === 'unknown' ? null : address,
        metadata,
      ],
    )
    .catch((error: unknown) => log().error({ err: error }, 'a security event could not be stored'));
}
