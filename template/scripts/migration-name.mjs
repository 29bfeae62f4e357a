// @ts-check
import process from 'node:process';
import { parseArgs } from 'node:util';

const SNAKE_CASE = { style: 'snake_case', pattern: /^[a-z][a-z0-9_]+$/, example: 'add_invoices' };
const IS_BUN = process.versions.bun !== undefined;
/** Bun passes on the dashes that npm needs; the second was Drizzle's, to which the script passed it on until 0.3.0. */
const SKIPPED = IS_BUN ? ['--', '--name'] : [];

/**
 * Reads the arguments of `db:generate`; others end the process with exit code 2.
 *
 * @returns {{ name: string, allowsDataLoss: boolean }} the name in the style
 */
export function migrationArguments({ style, pattern, example } = SNAKE_CASE) {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2).filter((argument) => !SKIPPED.includes(argument)),
    options: { 'allow-data-loss': { type: 'boolean', default: false } },
    allowPositionals: true,
    strict: false,
  });
  const { 'allow-data-loss': allowsDataLoss, ...unknown } = values;
  const [name = '', ...rest] = positionals;
  if (pattern.test(name) && rest.length === 0 && Object.keys(unknown).length === 0) {
    return { name, allowsDataLoss: allowsDataLoss === true };
  }
  const command = `${IS_BUN ? 'bun' : 'npm'} run db:generate -- ${example} [--allow-data-loss]`;
  process.stderr.write(`Give the migration one name in ${style}: ${command}\n`);
  process.exit(2);
}
