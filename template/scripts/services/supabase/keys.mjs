// @ts-check
/** What stays the same from start to start: the API keys, the key that signs access tokens, passwords, the port. */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';

/**
 * @typedef {object} Stored
 * @property {string} publishable `sb_publishable_...`: who sends it is `anon`
 * @property {string} secret `sb_secret_...`: who sends it is `service_role`
 * @property {import('jose').JWK} signingKey private, ES256
 * @property {{ keys: import('jose').JWK[] }} jwks its public half
 * @property {{ authenticator: string, auth: string }} passwords of the database's roles
 * @property {number} [port] of the gateway
 *
 * @typedef {Stored & { save: (port: number) => void }} Keys
 */

/**
 * @param {string} directory
 * @returns {Promise<Keys>}
 */
export async function keysOf(directory) {
  const file = join(directory, 'keys.json');
  /** @type {Stored} */
  const stored = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : await newKeys();
  const save = (/** @type {number | undefined} */ port) => {
    rmSync(file, { force: true }); // it may be another user's
    writeFileSync(file, `${JSON.stringify({ ...stored, port }, null, 2)}\n`, { mode: 0o600 });
  };
  save(stored.port);
  return { ...stored, save };
}

/** @returns {Promise<Stored>} */
async function newKeys() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const about = { kid: randomUUID(), alg: 'ES256', use: 'sig' };
  const random = () => randomBytes(24).toString('hex');
  return {
    publishable: `sb_publishable_${randomBytes(24).toString('base64url')}`,
    secret: `sb_secret_${randomBytes(24).toString('base64url')}`,
    signingKey: { ...(await exportJWK(privateKey)), ...about },
    jwks: { keys: [{ ...(await exportJWK(publicKey)), ...about }] },
    passwords: { authenticator: random(), auth: random() },
  };
}
