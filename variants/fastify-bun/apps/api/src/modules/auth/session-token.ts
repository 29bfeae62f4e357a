import { createHmac, timingSafeEqual } from 'node:crypto';

interface Headers {
  readonly authorization?: string | undefined;
  readonly cookie?: string | undefined;
}

/**
 * The session's token from a bearer token or a cookie of Better Auth, which signs both: `token.signature`, the signature being
 * the HMAC-SHA256 of the token in base64.
 *
 * @returns undefined where there is none, or its signature is not ours
 */
export function readSessionToken(headers: Headers, cookieName: string, secret: string): string | undefined {
  const signed = bearerOf(headers) ?? cookieOf(headers, cookieName);
  const dot = signed?.indexOf('.') ?? -1;
  if (signed === undefined || dot < 1) return undefined;
  const token = signed.slice(0, dot);
  const given = Buffer.from(signed.slice(dot + 1), 'base64');
  const expected = createHmac('sha256', secret).update(token).digest();
  return given.length === expected.length && timingSafeEqual(given, expected) ? token : undefined;
}

function bearerOf({ authorization }: Headers): string | undefined {
  const value = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  return value === undefined ? undefined : decoded(value);
}

function cookieOf({ cookie = '' }: Headers, name: string): string | undefined {
  for (const pair of cookie.split(';')) {
    const equals = pair.indexOf('=');
    if (pair.slice(0, equals).trim() === name) return decoded(pair.slice(equals + 1).trim());
  }
  return undefined;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
