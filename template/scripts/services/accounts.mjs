// @ts-check
/** The user as whom a server runs that refuses to run as root. */
import { readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import process from 'node:process';
import { LauncherError } from './errors.mjs';

/** @typedef {{ name: string, uid: number, gid: number }} Account */

/**
 * PostgreSQL refuses to run as root. So root runs it as the owner of the service's folder (then both can use its
 * database), else as `postgres`, else as `nobody`. initdb needs the account to have a name.
 *
 * @param {string} root
 * @returns {Account}
 */
export function unprivilegedAccount(root) {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length > 3)
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }));
  const folderOwner = statSync(root).uid;
  const account =
    accounts.find(({ uid }) => uid !== 0 && uid === folderOwner) ??
    accounts.find(({ name }) => name === 'postgres') ??
    accounts.find(({ name }) => name === 'nobody');
  if (!account) {
    throw new LauncherError(
      'PostgreSQL refuses to run as root, and this system has neither a user `postgres` nor `nobody`.\n' +
        'Create one (useradd --system postgres), or run this as an ordinary user.',
    );
  }
  return account;
}

/** PostgreSQL looks up the name of the user as whom it creates a cluster; in a container that user may have none. */
export function assertNamedUser() {
  try {
    userInfo();
  } catch {
    const [uid, gid] = [process.getuid?.(), process.getgid?.()];
    throw new LauncherError(
      `PostgreSQL wants its user to have a name, and user id ${uid} has none. Give it one, as root:\n` +
        `echo 'dev:x:${uid}:${gid}::/tmp:/bin/sh' >> /etc/passwd   (or run this as a user who has one)`,
    );
  }
}

/**
 * Whether an account may enter a directory: search permission on it and on all that lie above it.
 *
 * @param {string} directory
 * @param {Account} account
 * @returns {boolean}
 */
export function isReachable(directory, account) {
  const { uid, gid, mode } = statSync(directory);
  const search = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (
    (mode & search) !== 0 && (dirname(directory) === directory || isReachable(dirname(directory), account))
  );
}
