import { isSame } from '@shared/project.ts';

/** Seconds: a message that was signed longer ago, or later than now, may be a replay. */
const TOLERANCE = 300;

const fromBase64 = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const toBase64 = (bytes: ArrayBuffer) => btoa(String.fromCharCode(...new Uint8Array(bytes)));

/** The signature of a message, without its version (Standard Webhooks, symmetric). */
export async function sign(secret: string, id: string, timestamp: string, body: string): Promise<string> {
  const key = await crypto.subtle.importKey(
    'raw',
    fromBase64(secret.replace(/^whsec_/, '')),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  return toBase64(await crypto.subtle.sign('HMAC', key, content));
}

/** @returns the message's id; undefined where the signature is not this body's, or is too old */
export async function verify(secret: string, headers: Headers, body: string): Promise<string | undefined> {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map(
    (name) => headers.get(`webhook-${name}`) ?? '',
  ) as [string, string, string];
  if (id === '' || !/^\d{1,12}$/.test(timestamp)) return undefined;
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > TOLERANCE) return undefined;
  const expected = `v1,${await sign(secret, id, timestamp, body)}`;
  const matches = await Promise.all(signatures.split(' ').map((given) => isSame(given, expected)));
  return matches.includes(true) ? id : undefined;
}
