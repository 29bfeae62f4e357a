import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CLI = join(dirname(createRequire(import.meta.url).resolve('prisma/package.json')), 'build/index.js');

export interface PrismaOutcome {
  readonly exitCode: number;
  /** Everything that was said, on both streams. */
  readonly output: string;
}

/**
 * Runs Prisma's command line on the database of a URL, in this service's folder.
 *
 * @param ownerUrl of the role that owns the schema
 */
export async function runPrisma(args: readonly string[], ownerUrl: string): Promise<PrismaOutcome> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: ROOT,
    env: { ...process.env, MIGRATION_DATABASE_URL: ownerUrl, PRISMA_HIDE_UPDATE_MESSAGE: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  return { exitCode, output };
}
