#!/usr/bin/env node
// @ts-check
/**
 * Migrates a database of the last release, with its sample rows, to the migrations of the working tree. What passes on an
 * empty database may fail on rows: a column that must not be null, an enum's value that is used where it is added.
 *
 * The last release is the newest git tag before this commit; without tags, the commit where the branch left the default
 * branch. Its own code makes the database, with the packages that are installed.
 *
 *     node scripts/check-upgrade.mjs FOLDER_OF_MIGRATIONS
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { LauncherError } from './services/errors.mjs';
import { startServices } from './services.mjs';

/** @param {string} line */
const say = (line) => void process.stdout.write(`db: ${line}\n`);

/**
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {string | undefined} what git prints; undefined if it fails
 */
function git(args, env) {
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8', env: { ...process.env, ...env } });
  return status === 0 ? stdout.trim() : undefined;
}

/** The last release, as git names it. */
function lastRelease() {
  const tags = git(['tag', '--merged', 'HEAD', '--no-contains', 'HEAD', '--sort=-creatordate']);
  if (tags) return tags.split('\n')[0];
  const defaults = ['refs/remotes/origin/HEAD', 'origin/main', 'origin/master', 'main', 'master'];
  const branch = defaults.find((name) => git(['rev-parse', '--verify', '--quiet', name]) !== undefined);
  return branch && git(['merge-base', 'HEAD', branch]);
}

/** @param {string} release @param {string} folder */
function hasNewMigrations(release, folder) {
  return (
    git(['diff', '--quiet', release, '--', folder]) === undefined ||
    git(['ls-files', '--others', '--exclude-standard', '--', folder]) !== ''
  );
}

/**
 * Writes the files of a commit to a folder, with this service's packages.
 *
 * @param {string} release
 * @param {string} folder
 */
function checkOut(release, folder) {
  const env = { GIT_INDEX_FILE: join(folder, '.index') };
  git(['read-tree', `${release}:./`], env);
  if (git(['checkout-index', '--all', `--prefix=${folder}/`], env) === undefined) {
    throw new LauncherError(`The files of ${release} could not be read: git checkout-index failed.`);
  }
  for (const workspace of workspaces()) linkPackages(workspace, folder);
}

/** The root and the workspaces. */
function workspaces() {
  /** @type {{ workspaces?: string[] }} */
  const { workspaces: patterns = [] } = JSON.parse(readFileSync('package.json', 'utf8'));
  return patterns.reduce(
    (paths, pattern) => {
      const parent = dirname(pattern);
      return paths.concat(
        pattern.endsWith('/*') ? readdirSync(parent).map((name) => join(parent, name)) : pattern,
      );
    },
    ['.'],
  );
}

/**
 * Links the installed packages into a checkout, except for the service's own workspaces, which it has itself.
 *
 * @param {string} workspace relative to the root
 * @param {string} folder of the checkout
 */
function linkPackages(workspace, folder) {
  const source = join(workspace, 'node_modules');
  if (!existsSync(source) || !existsSync(join(folder, workspace))) return;
  const names = readdirSync(source).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(source, name)).map((part) => join(name, part)) : name,
  );
  for (const name of names) {
    const target = realpathSync(join(source, name));
    const own = relative(realpathSync('.'), target);
    const isWorkspace = !own.startsWith('..') && !own.split(sep).includes('node_modules');
    const link = join(folder, source, name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(isWorkspace ? join(folder, own) : target, link, 'junction');
  }
}

/**
 * @param {string} folder of a service
 * @returns {{ compile?: string[], prepare?: string[] }}
 */
function commands(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).dev ?? {};
}

/**
 * @param {string[]} command
 * @param {import('node:child_process').SpawnSyncOptions} options
 */
function run(command, options) {
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { ...options, encoding: 'utf8' });
  return { isDone: status === 0, output: `${stdout}${stderr}`.trim() };
}

/** @param {string} migrations the folder */
async function check(migrations) {
  const release = lastRelease();
  if (!release || git(['rev-parse', '--verify', '--quiet', `${release}:./`]) === undefined) {
    return say('there is no earlier release in git, so no upgrade was checked');
  }
  if (git(['rev-parse', '--is-shallow-repository']) === 'true') {
    say('this clone is shallow: a newer release may be missing (git fetch --unshallow --tags)');
  }
  if (!hasNewMigrations(release, migrations)) return say(`the migrations are those of ${release}`);
  const folder = mkdtempSync(join(tmpdir(), 'last-release-'));
  const services = await startServices({ ephemeral: true });
  try {
    checkOut(release, folder);
    const { compile, prepare } = existsSync(join(folder, 'package.json')) ? commands(folder) : {};
    if (prepare === undefined) return say(`${release} has no service, so no upgrade was checked`);
    const env = { ...process.env, NODE_ENV: 'development', ...services.env };
    // Its types need not fit the packages of today.
    const compiled = compile === undefined ? undefined : run(compile, { cwd: folder, env });
    const before = run(prepare, { cwd: folder, env });
    if (!before.isDone) {
      throw new LauncherError(
        `The database of ${release} could not be made:\n${before.output}\n${compiled?.output}`,
      );
    }
    const after = run(/** @type {string[]} */ (commands('.').prepare), { env });
    if (!after.isDone) {
      throw new LauncherError(
        `The migrations fail on a database of ${release} with its sample rows:\n${after.output}`,
      );
    }
    say(`a database of ${release} with its sample rows can be migrated`);
  } finally {
    await services.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
  // The servers of the environment may hold data, and have the newest schema already.
  delete process.env.DATABASE_URL;
  delete process.env.MIGRATION_DATABASE_URL;
  await check(process.argv[2] ?? '.');
} catch (error) {
  if (!(error instanceof LauncherError)) throw error;
  process.stderr.write(`db: ${error.message}\n`);
  process.exitCode = 1;
}
