// @ts-check
/** Access tokens as Supabase Auth makes them with an asymmetric key. */
import { randomUUID } from 'node:crypto';
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose';
import { HttpError } from './http.mjs';

/** @typedef {Awaited<ReturnType<typeof createTokens>>} Tokens */

/**
 * @param {object} options
 * @param {import('./keys.mjs').Stored} options.keys
 * @param {string} options.issuer
 * @param {import('./config.mjs').AuthSettings} options.settings
 */
export async function createTokens({ keys, issuer, settings }) {
  const signingKey = await importJWK(keys.signingKey, 'ES256');
  const jwks = createLocalJWKSet(keys.jwks);
  return {
    /**
     * @param {import('./auth.mjs').UserRow} user
     * @param {string} sessionId
     * @param {Date} signedInAt
     */
    async sign(user, sessionId, signedInAt) {
      const now = Math.floor(Date.now() / 1000);
      const expiresAt = now + settings.jwtExpirySeconds;
      const token = await new SignJWT({
        email: user.email ?? '',
        phone: user.phone ?? '',
        app_metadata: user.raw_app_meta_data,
        user_metadata: user.raw_user_meta_data,
        role: user.role,
        aal: 'aal1',
        amr: [{ method: 'password', timestamp: Math.floor(signedInAt.getTime() / 1000) }],
        session_id: sessionId,
        is_anonymous: user.is_anonymous,
      })
        .setProtectedHeader({ alg: 'ES256', kid: keys.signingKey.kid, typ: 'JWT' })
        .setIssuer(issuer)
        .setSubject(user.id)
        .setAudience(user.aud)
        .setIssuedAt(now)
        .setExpirationTime(expiresAt)
        .setJti(randomUUID())
        .sign(signingKey);
      return { token, expiresAt, expiresIn: settings.jwtExpirySeconds };
    },

    /**
     * @param {string | undefined} token
     * @returns {Promise<{ sub?: string, role?: string, session_id?: string }>}
     */
    async verify(token) {
      if (!token) throw new HttpError(401, 'no_authorization', 'This endpoint requires a valid Bearer token');
      try {
        return /** @type {any} */ ((await jwtVerify(token, jwks, { algorithms: ['ES256'] })).payload);
      } catch (error) {
        const why = error instanceof Error ? error.message : error;
        throw new HttpError(403, 'bad_jwt', `invalid JWT: unable to parse or verify signature, ${why}`);
      }
    },
  };
}
