// @ts-check
/** What a server's clients must know and what stays the same from start to start: the password and, if free, the port. */
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LauncherError } from './errors.mjs';

/**
 * @template {string} Role
 * @typedef {{ passwords: Record<Role, string>, port?: number }} Access
 */

/**
 * Random passwords that need no escaping anywhere.
 *
 * @template {string} Role
 * @param {Role[]} roles
 * @returns {Access<Role>}
 */
export function newAccess(...roles) {
  const passwords = roles.map((role) => [role, randomBytes(24).toString('hex')]);
  return { passwords: Object.fromEntries(passwords) };
}

/** @param {string} directory the server's own */
const fileOf = (directory) => join(directory, 'access.json');

/**
 * @param {string} directory
 * @returns {Access<any> | undefined} undefined where nothing was written yet
 */
export function readAccess(directory) {
  const file = fileOf(directory);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new LauncherError(
      `The server's passwords cannot be read from ${file} (${why}).\n` +
        `Restore that file, or give the server's data up and start afresh: rm -rf '${directory}'`,
    );
  }
}

/**
 * @param {string} directory
 * @param {Access<string>} access
 * @param {{ uid: number, gid: number }} [owner]
 */
export function writeAccess(directory, access, owner) {
  writeFileSync(fileOf(directory), `${JSON.stringify(access, null, 2)}\n`, { mode: 0o600 });
  if (owner) chownSync(fileOf(directory), owner.uid, owner.gid);
}
