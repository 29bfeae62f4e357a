// @ts-check
import process from 'node:process';

/** The one argument of `npm run db:generate`, in snake_case. What was given instead is refused with exit code 2. */
export function migrationName() {
  const [name = '', ...rest] = process.argv.slice(2);
  if (/^[a-z][a-z0-9_]+$/.test(name) && rest.length === 0) return name;
  process.stderr.write('Give the migration one name in snake_case: npm run db:generate -- add_invoices\n');
  process.exit(2);
}
