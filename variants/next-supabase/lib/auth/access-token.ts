import { createRemoteJWKSet, errors, type JWTVerifyOptions, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { processWide } from '@/lib/process-wide';

/** Milliseconds: a key that is taken out of the project's JWKS is worth nothing after this time. */
const REMEMBERED_MS = 60_000;

interface Verified {
  readonly userId: string;
  readonly sessionId: string;
}

/** A signature costs more to verify than all the rest of a cached read, and does not change. */
const verified = () => processWide('tokens', () => new LRUCache<string, Verified>({ max: 10_000 }));

const claims = z.object({
  sub: z.uuid(),
  exp: z.number(),
  session_id: z.uuid(),
  role: z.literal('authenticated'),
});

/** The project's public keys: fetched once, and again when a token names one that is not known. */
const jwks = () =>
  processWide('jwks', () =>
    createRemoteJWKSet(new URL(`${config().SUPABASE_URL}/auth/v1/.well-known/jwks.json`), {
      timeoutDuration: 3_000,
    }),
  );

/**
 * Verifies an access token of Supabase Auth here, without asking Supabase.
 *
 * @returns undefined where the token is not one of this project's, or has run out
 * @throws DomainError AUTH_UNAVAILABLE where the keys cannot be fetched
 */
export async function verifyAccessToken(token: string): Promise<Verified | undefined> {
  const known = verified().get(token);
  if (known !== undefined) return known;
  const { SUPABASE_URL, SUPABASE_JWT_SECRET } = config();
  const options: JWTVerifyOptions = {
    issuer: `${SUPABASE_URL}/auth/v1`,
    audience: 'authenticated',
    requiredClaims: ['sub', 'exp', 'session_id'],
  };
  try {
    const { payload } = isLegacy(token)
      ? SUPABASE_JWT_SECRET === undefined
        ? { payload: undefined }
        : await jwtVerify(token, new TextEncoder().encode(SUPABASE_JWT_SECRET), {
            ...options,
            algorithms: ['HS256'],
          })
      : await jwtVerify(token, jwks(), { ...options, algorithms: ['ES256', 'RS256'] });
    const { success, data } = claims.safeParse(payload);
    if (!success) return undefined;
    const { sub, session_id, exp } = data;
    const result = { userId: sub, sessionId: session_id };
    const ttl = Math.min(REMEMBERED_MS, Math.floor(exp * 1_000 - Date.now()));
    if (ttl > 0) verified().set(token, result, { ttl });
    return result;
  } catch (error) {
    if (isUnreachable(error)) {
      throw new DomainError(
        'Supabase Auth cannot be reached. Try again.',
        'AUTH_UNAVAILABLE',
        {},
        {},
        { cause: error },
      );
    }
    return undefined;
  }
}

/** Whether the keys could not be had, which says nothing about the token. */
function isUnreachable(error: unknown): boolean {
  return (
    !(error instanceof errors.JOSEError) ||
    error instanceof errors.JWKSTimeout ||
    error.code === errors.JOSEError.code // an answer other than 200, or one that is not JSON
  );
}

/** Whether a token says that it is signed with the shared secret. */
function isLegacy(token: string): boolean {
  try {
    return JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString()).alg === 'HS256';
  } catch {
    return false;
  }
}
