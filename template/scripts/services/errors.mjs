// @ts-check
import process from 'node:process';

/** Something the reader can mend: shown as it is, without a stack trace. */
export class LauncherError extends Error {
  /** @override */
  name = 'LauncherError';
}

/** A mistake in a script's arguments: exit code 2. */
export class UsageError extends LauncherError {}

/** How this service's scripts are run, for the commands in messages. */
export const packageManager = process.versions.bun ? 'bun' : 'npm';

/**
 * An old Node would fail later, and say something that leads nowhere.
 *
 * @param {{ engines?: { node?: string } }} manifest package.json, with "node": ">=24.9" for example
 */
export function assertRuntime({ engines }) {
  const [, wantedMajor, wantedMinor = '0'] = /^>=(\d+)(?:\.(\d+))?/.exec(engines?.node ?? '') ?? [];
  if (!wantedMajor || process.versions.bun) return;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > Number(wantedMajor) || (major === Number(wantedMajor) && minor >= Number(wantedMinor))) return;
  throw new LauncherError(
    `Node ${engines?.node} is needed, and this is Node ${process.versions.node} (${process.execPath}).\n` +
      `Install it from https://nodejs.org, or with a version manager, for example: nvm install ${wantedMajor}`,
  );
}

/**
 * The one error for a server that cannot be had on this machine, with every way out.
 *
 * @param {{ server: string, reason: string, install: string, variable: string, exampleUrl: string }} what
 */
export function noServer({ server, reason, install, variable, exampleUrl }) {
  return new LauncherError(
    [
      `There is no ${server} to start: ${reason}`,
      'Any one of these mends it:',
      `  install it:          ${install}`,
      `  use a running one:   ${variable}=${exampleUrl} ${packageManager} run dev   (or put ${variable} into .env)`,
      '  use Docker instead:  docker compose up -d   (the service and its servers in containers)',
    ].join('\n'),
  );
}
