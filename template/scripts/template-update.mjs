#!/usr/bin/env node
// @ts-check
/**
 * Brings what the template has learnt since into this service, as `copier update` does, and says what came of it: files
 * with conflicts, and whether the service's own checks pass. CI runs it every week and opens a pull request.
 *
 *     node scripts/template-update.mjs [--check] [--branch] [--report FILE]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import { LauncherError, packageManager, UsageError } from './services/errors.mjs';

const HELP = `Usage: node scripts/template-update.mjs [--check] [--branch] [--report FILE]

Updates this service to the newest release of its template, installs its packages and runs its checks. What you changed
is kept; where both changed the same lines, the files have conflict markers. Nothing is committed.

  --check         only say whether there is a newer release
  --branch        do it in a new branch template/VERSION, and commit it there, conflicts included
  --report FILE   write what came of it, as Markdown; not written if there is nothing newer
  --help          print this
`;

const ANSWERS = '.copier-answers.yml';
const CHECKS = ['lint', 'typecheck', 'test'];
/** Each runs the same program: the first that this machine has is taken. */
const COPIERS = ['copier', 'uvx copier', 'pipx run copier'];
/** How Copier abbreviates addresses. */
const HOSTS = { 'gh:': 'https://github.com/', 'gl:': 'https://gitlab.com/' };

/** @param {string} line */
const say = (line) => void process.stdout.write(`${line}\n`);

/**
 * @param {string[]} command
 * @param {Record<string, string>} [env] beside that of this process
 * @returns {{ code: number | null, output: string }}
 */
function run([program = '', ...args], env = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (error) return { code: null, output: error.message };
  return { code: status, output: stdout + stderr };
}

/** @param {string[]} args */
function git(...args) {
  const { code, output } = run(['git', ...args]);
  if (code !== 0) throw new LauncherError(`git ${args.join(' ')} failed: ${output.trim()}`);
  return output.trim();
}

/** What the service was made from: the address of the template, and its version. */
function origin() {
  const text = readFileSync(ANSWERS, 'utf8');
  const read = (/** @type {string} */ name) =>
    new RegExp(`^${name}: *['"]?([^'"\\n]+)`, 'm').exec(text)?.[1]?.trim() ?? '';
  const source = read('_src_path');
  const prefix = /** @type {keyof typeof HOSTS | undefined} */ (
    Object.keys(HOSTS).find((abbreviation) => source.startsWith(abbreviation))
  );
  return { url: prefix ? source.replace(prefix, HOSTS[prefix]) : source, version: read('_commit') };
}

/**
 * @param {string} version v1.2.3, or v1.2.3-4-gabcdef0 for the fourth commit after it
 * @returns {number[] | undefined} its parts; nothing for what is no release and follows none
 */
function parts(version) {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(?:$|-\d+-g)/.exec(version);
  return match?.slice(1).map(Number);
}

/**
 * @param {number[]} one
 * @param {number[]} other
 */
function compare(one, other) {
  return one.map((part, index) => part - (other[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** @returns {string | undefined} the tag of the newest release, where that is newer than what the service has */
function newer() {
  const { url, version } = origin();
  const listed = git('ls-remote', '--tags', '--refs', '--', url);
  const releases = [...listed.matchAll(/refs\/tags\/(v?\d+\.\d+\.\d+)$/gm)].map(([, tag]) => tag ?? '');
  const newest = releases.sort((one, other) => compare(parts(one) ?? [], parts(other) ?? [])).at(-1);
  if (!newest) {
    say(`${url} has no releases.`);
    return undefined;
  }
  const own = parts(version);
  if (own && compare(parts(newest) ?? [], own) <= 0) {
    say(`This service is up to date: the newest release of its template is ${newest}.`);
    return undefined;
  }
  say(`This service has ${version || 'no version'} of its template, and ${newest} is out.`);
  return newest;
}

/**
 * @param {string} release
 * @returns {string} what came of it, as Markdown
 */
function update(release) {
  const copier = COPIERS.map((command) => command.split(' ')).find(
    (command) => run([...command, '--version']).code === 0,
  );
  if (!copier) {
    throw new LauncherError(
      'Copier is needed, and there is none. Install pipx (https://pipx.pypa.io) or uv (https://docs.astral.sh/uv/): either can run it.',
    );
  }
  // Copier keeps what it fetches, and can never read it again if it was killed at a bad moment: this run has a place of its own.
  const cache = mkdtempSync(join(tmpdir(), 'copier-'));
  const { code, output } = run([...copier, 'update', '--defaults', '--vcs-ref', release], {
    COPIER_CACHE_DIR: cache,
  });
  rmSync(cache, { recursive: true, force: true });
  if (code !== 0) throw new LauncherError(`copier update failed:\n${output.trim()}`);
  const conflicts = git('diff', '--name-only', '--diff-filter=U').split('\n').filter(Boolean);
  const installed = run([packageManager, 'install']);
  const results = [
    `- \`${packageManager} install\`: ${verdict(installed)}`,
    ...CHECKS.map(
      (check) => `- \`${packageManager} run ${check}\`: ${verdict(run([packageManager, 'run', check]))}`,
    ),
  ];
  const list = conflicts.map((file) => `- \`${file}\``);
  return [
    `The template of this service has released ${release}; its CHANGELOG.md says what that changes.`,
    conflicts.length === 0
      ? 'There are no conflicts.'
      : `Both sides changed the same lines of these files. Settle what is between the markers:\n\n${list.join('\n')}`,
    `What the service's own checks say:\n\n${results.join('\n')}`,
  ].join('\n\n');
}

/** @param {{ code: number | null, output: string }} result */
function verdict({ code, output }) {
  if (code === 0) return 'passes';
  const end = output.trim().split('\n').slice(-20).join('\n');
  return `**fails**\n\n  \`\`\`\n${end.replaceAll(/^/gm, '  ')}\n  \`\`\`\n`;
}

/** @param {string[]} argv */
function main(argv) {
  const { check, branch, report, help } = options(argv);
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
  const release = newer();
  if (!release || check) return 0;
  if (git('status', '--porcelain')) {
    throw new LauncherError('There are changes that are not committed. Commit or stash them, and try again.');
  }
  if (branch) git('switch', '--quiet', '--create', `template/${release}`);
  const text = update(release);
  if (branch) {
    git('add', '--all');
    git('commit', '--quiet', '--no-verify', '--message', `Update to ${release} of the template`);
  }
  if (report) writeFileSync(report, `${text}\n`);
  say(`\n${text}`);
  return 0;
}

/** @param {string[]} argv */
function options(argv) {
  try {
    return util.parseArgs({
      args: argv,
      options: {
        check: { type: 'boolean' },
        branch: { type: 'boolean' },
        report: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${/** @type {Error} */ (error).message}\n\n${HELP}`);
  }
}

try {
  process.exit(main(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof LauncherError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
