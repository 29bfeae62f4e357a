// @ts-check
/** The settings of Supabase that this one obeys, from supabase/config.toml, as Supabase's CLI reads them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { LauncherError } from '../errors.mjs';

/**
 * @typedef {object} AuthSettings
 * @property {number} jwtExpirySeconds
 * @property {number} reuseIntervalSeconds how long a spent refresh token may be sent again: clients do, in parallel
 * @property {number} minimumPasswordLength
 * @property {boolean} enableSignup
 */

/**
 * @param {string} root
 * @returns {AuthSettings}
 */
export function readAuthSettings(root) {
  const { auth = {} } = readConfig(root);
  return {
    jwtExpirySeconds: auth.jwt_expiry ?? 3600,
    reuseIntervalSeconds: auth.refresh_token_reuse_interval ?? 10,
    minimumPasswordLength: auth.minimum_password_length ?? 6,
    enableSignup: (auth.enable_signup ?? true) && (auth.email?.enabled ?? true),
  };
}

/**
 * The edge functions that check for themselves who calls (`verify_jwt = false`).
 *
 * @param {string} root
 * @returns {string[]}
 */
export function readOpenFunctions(root) {
  const { functions = {} } = readConfig(root);
  return Object.keys(functions).filter((name) => functions[name].verify_jwt === false);
}

/**
 * @param {string} root
 * @returns {Record<string, any>}
 */
function readConfig(root) {
  const file = join(root, 'supabase', 'config.toml');
  try {
    return existsSync(file) ? parse(readFileSync(file, 'utf8')) : {};
  } catch (error) {
    throw new LauncherError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}
