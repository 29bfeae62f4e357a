const [name = '', ...rest] = process.argv.slice(2);
if (!/^[a-z][a-z0-9_]+$/.test(name) || rest.length > 0) {
  process.stderr.write('Give the migration one name in snake_case: npm run db:generate -- add_invoices\n');
  process.exit(2);
}
