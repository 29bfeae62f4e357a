#!/usr/bin/env node
// @ts-check
/**
 * Makes modules that `copier copy` has written part of this service: their entries in files that are there already, their
 * migration, and what else the service's own tools write.
 *
 *     npm run module:register
 *
 * A module brings a list of what is to be done, `.copier-module.NAME` (JSON), which is deleted when all of it is done. What is
 * there already stays as it is, so this can be repeated. What has no place is printed, to be done by hand.
 */
import { execSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import { LauncherError, packageManager, UsageError } from './services/errors.mjs';

const HELP = `Usage: node scripts/register-module.mjs

Makes modules that \`copier copy\` has written part of this service: imports and entries in the files that name all
modules, the migration, and the OpenAPI document. It can be repeated, and changes nothing that is there already.
`;

/**
 * @typedef {object} Edit one entry in one file
 * @property {string} file
 * @property {string} where the place, in words
 * @property {string} [key] what is in the place when it is done; else what is added
 * @property {boolean} [optional] of documents: nothing depends on it
 * @property {boolean} [late] only when the migration is written: it names the table
 * @property {string} [import] an import, after the last one
 * @property {string} [into] the text before a bracket, and it: \`add\` goes to the end of what is in there
 * @property {string} [property] of the object in there, a list: \`add\` goes into that
 * @property {string} [add]
 * @property {boolean} [isField] of a model in a Prisma schema: it goes before the model's own attributes, and takes no comma
 * @property {string} [line] goes after the last line that begins with \`after\`, or before the first one with \`before\`
 * @property {string} [after]
 * @property {string[]} [before] one after the other is tried
 * @property {string} [section] a heading under which the line goes; it is made, before \`before\`, where there is none
 *
 * @typedef {object} Manifest what a module needs
 * @property {string} module
 * @property {boolean} [together] what reads its schema reads that of all modules: they are entered before the first migration
 * @property {Edit[]} edits
 * @property {string[]} [needs] modules that it refers to: their tables come first
 * @property {string[]} code its files and folders
 * @property {Migration} migration
 * @property {string[]} finish commands
 */

/**
 * @typedef {object} Migration
 * @property {string} table
 * @property {string} files the folder of all
 * @property {string[]} [generate] what writes it, where that is for a tool of the service
 * @property {string} [name] what it is called, where it is written here
 * @property {string[]} [sql] what it ends with, or all of it where it is written here
 */

const MANIFEST = /^\.copier-module\.[a-z0-9-]+$/;
const PAIRS = /** @type {Readonly<Record<string, string>>} */ ({ '[': ']', '{': '}', '(': ')' });

/** @param {string} line */
const say = (line) => void process.stdout.write(`${line}\n`);

/**
 * The same text with spaces in place of comments, and of what is in strings if that is asked for: every place stays where it was.
 *
 * @param {string} text
 */
function codeOf(text, withStrings = false) {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (found) =>
    found.startsWith('/') || !withStrings ? found.replace(/[^\n]/g, ' ') : found,
  );
}

/**
 * What is between a bracket and the one that closes it.
 *
 * @param {string} code
 * @param {number} open the place of the bracket
 * @returns {[number, number] | undefined}
 */
function inside(code, open) {
  const awaited = /** @type {string[]} */ ([]);
  for (let place = open; place < code.length; place += 1) {
    const character = code[place] ?? '';
    const closing = PAIRS[character];
    if (closing !== undefined) awaited.push(closing);
    else if (character === awaited.at(-1)) awaited.pop();
    if (awaited.length === 0) return [open + 1, place];
  }
  return undefined;
}

/**
 * @param {string} code
 * @param {string} opening ends with a bracket; white space in it stands for any
 * @param {number} [from]
 * @param {number} [to]
 */
function find(code, opening, from = 0, to = code.length) {
  const text = opening.trim().split(/\s+/).map(RegExp.escape).join('\\s*');
  const pattern = new RegExp(/^\w/.test(opening) ? `(?<![\\w$])${text}` : text, 'g');
  pattern.lastIndex = from;
  const match = pattern.exec(code);
  if (match === null || match.index >= to) return undefined;
  return inside(code, match.index + match[0].length - 1);
}

/**
 * @param {string} text
 * @param {string} word
 */
function has(text, word) {
  return new RegExp(`(?<![\\w$])${RegExp.escape(word)}(?![\\w$])`).test(text);
}

/**
 * @param {string} text
 * @param {[number, number]} range between two brackets
 * @param {string} item
 */
function appendField(text, [from, to], item) {
  const written = codeOf(text, true).slice(from, to);
  const [fields = ''] = written.split('@@');
  const end = from + fields.trimEnd().length;
  return `${text.slice(0, end)}\n${item}${text.slice(end)}`;
}

/**
 * @param {string} text
 * @param {[number, number]} range between two brackets
 * @param {string} item
 */
function append(text, [from, to], item) {
  const written = codeOf(text, true).slice(from, to).trimEnd();
  const end = from + written.length;
  const comma = written.trim() === '' || /[,;]$/.test(written) ? '' : ',';
  return `${text.slice(0, end)}${comma}\n${item},${text.slice(end)}`;
}

/**
 * @param {string} text
 * @param {string} statement
 */
function addImport(text, statement) {
  const name = /\{ (?:type )?(\w+) \}/.exec(statement)?.[1] ?? statement;
  const imports = [...text.matchAll(/^import\b[^;'"]*['"][^'"]+['"];?[^\n]*\n/gm)];
  if (imports.some(([found]) => has(found, name))) return text;
  const last = imports.at(-1);
  const place = last === undefined ? 0 : last.index + last[0].length;
  return `${text.slice(0, place)}${statement}\n${text.slice(place)}`;
}

/**
 * @param {string} text
 * @param {Edit} edit
 */
function addEntry(text, { into = '', property, add = '', key = add, isField = false }) {
  const code = codeOf(text);
  const outer = find(code, into);
  if (outer === undefined) return undefined;
  const list = property === undefined ? outer : find(code, `${property}: [`, ...outer);
  if (list === undefined) return append(text, outer, `${property}: [${add}]`);
  if (has(codeOf(text, true).slice(...list), key)) return text;
  return isField ? appendField(text, list, add) : append(text, list, add);
}

/**
 * @param {string} text
 * @param {Edit} edit
 */
function addLine(text, { line = '', key = line, after, before = [], section }) {
  if (text.includes(key)) return text;
  const lines = text.split('\n');
  if (after !== undefined) {
    const place = lines.findLastIndex((found) => found.startsWith(after));
    return place < 0 ? undefined : lines.toSpliced(place + 1, 0, line).join('\n');
  }
  const heading = section === undefined ? -1 : lines.indexOf(section);
  if (heading >= 0) {
    const next = lines.findIndex((found, index) => index > heading && /^#/.test(found));
    const end = lines.findLastIndex((found, index) => (next < 0 || index < next) && found !== '');
    return lines.toSpliced(end + 1, 0, ...(end === heading ? ['', line] : [line])).join('\n');
  }
  const place = before
    .map((start) => lines.findIndex((found) => found.startsWith(start)))
    .find((found) => found >= 0);
  if (place === undefined) return undefined;
  return lines.toSpliced(place, 0, ...(section === undefined ? [line] : [section, '', line, ''])).join('\n');
}

/** @param {Edit} edit */
const entryOf = (edit) => (edit.import ?? edit.line ?? edit.add ?? '').trim();

/**
 * @param {Edit} edit
 * @returns {boolean} whether it is done
 */
function apply(edit) {
  if (!existsSync(edit.file)) return edit.optional === true;
  const text = readFileSync(edit.file, 'utf8');
  const unix = text.replaceAll('\r\n', '\n');
  const edited =
    edit.import !== undefined
      ? addImport(unix, edit.import)
      : edit.line !== undefined
        ? addLine(unix, edit)
        : addEntry(unix, edit);
  if (edited === undefined) return false;
  if (edited !== unix) {
    writeFileSync(edit.file, text === unix ? edited : edited.replaceAll('\n', '\r\n'));
    say(`  ${edit.file}: ${entryOf(edit)}`);
  }
  return true;
}

/** @param {string} command */
function run(command) {
  try {
    execSync(command, { stdio: ['ignore', 'inherit', 'inherit'] });
  } catch {
    throw new LauncherError(
      `\`${command}\` failed. Mend what it says, then run this again: ${packageManager} run module:register`,
    );
  }
}

/**
 * The file that creates the table.
 *
 * @param {Migration} migration
 */
function findMigration({ table, files }) {
  const created = new RegExp(`CREATE TABLE (IF NOT EXISTS )?("?public"?\\.)?("${table}"|${table}\\b)`, 'i');
  return readdirSync(files, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .find((file) => created.test(readFileSync(file, 'utf8')));
}

/**
 * The name of the next migration, in the order of all: the clock of whoever wrote the newest may have been ahead of this one.
 *
 * @param {string} files
 * @param {string} name
 */
function nextMigration(files, name) {
  const now = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const newest = readdirSync(files).flatMap((file) => /^\d{14}(?=_)/.exec(file)?.[0] ?? []);
  return `${files}/${Math.max(Number(now), ...newest.map((stamp) => Number(stamp) + 1))}_${name}.sql`;
}

/**
 * Writes the migration where there is none, and what it ends with where that is missing.
 *
 * @param {Migration} migration
 */
function migrate(migration) {
  const { files, generate = [], name, sql } = migration;
  const known = findMigration(migration);
  if (known === undefined && name !== undefined) {
    const file = nextMigration(files, name);
    writeFileSync(file, `${sql?.join('\n')}\n`);
    say(`  ${file}`);
  }
  if (known === undefined) for (const command of generate) run(command);
  const file = findMigration(migration);
  if (file === undefined || sql === undefined || name !== undefined) return;
  const text = readFileSync(file, 'utf8');
  const end = sql.join('\n');
  if (!text.includes(end)) writeFileSync(file, `${text.trimEnd()}\n\n${end}\n`);
}

/**
 * Makes entries, and says which of them have no place.
 *
 * @param {string} module
 * @param {Edit[]} edits
 */
function enter(module, edits) {
  const missing = edits.filter((edit) => !apply(edit));
  if (missing.length === 0) return;
  say('  There was no place for these. Add them by hand:');
  for (const edit of missing) say(`  - ${edit.file}, ${edit.where}: ${entryOf(edit)}`);
  if (missing.some(({ optional }) => optional !== true)) {
    throw new LauncherError(
      `${module} is not complete yet. Then run this again, for what is left: ${packageManager} run module:register`,
    );
  }
}

/** @param {Manifest[]} manifests */
function format(manifests) {
  const touched = manifests
    .flatMap(({ edits }) => edits.map(({ file }) => file))
    .filter((file) => /\.ts$/.test(file) && existsSync(file));
  const files = new Set([...manifests.flatMap(({ code }) => code), ...touched]);
  // What it cannot mend by itself is for `npm run lint` to tell. Some of what it breaks into lines settles the second time.
  const biome = ['node_modules/@biomejs/biome/bin/biome', 'check', '--write', '--log-level=none'];
  for (let pass = 0; pass < 2; pass += 1) spawnSync(process.execPath, [...biome, ...files]);
}

/**
 * Modules behind those that they refer to.
 *
 * @param {Manifest[]} manifests
 */
function inOrder(manifests) {
  /** @type {Set<Manifest>} */
  const ordered = new Set();
  /** @param {Manifest} manifest @param {string[]} way */
  const add = (manifest, way) => {
    const { module, needs = [] } = manifest;
    if (way.includes(module)) return;
    for (const other of manifests) if (needs.includes(other.module)) add(other, [...way, module]);
    ordered.add(manifest);
  };
  for (const manifest of manifests) add(manifest, []);
  return [...ordered];
}

/**
 * The names in the code come from what one of a module's things is called. Copier asks before it knows the other modules.
 *
 * @throws {LauncherError} where two modules call theirs the same
 */
function refuseNamesakes() {
  /** @type {Map<string, string>} */
  const modules = new Map();
  for (const file of readdirSync('.').sort()) {
    const [, module] = /^\.copier-answers\.([a-z0-9-]+)\.yml$/.exec(file) ?? [];
    const text = module === undefined ? '' : readFileSync(file, 'utf8');
    const [, singular] = /^module_singular: *['"]?([a-z0-9-]+)/m.exec(text) ?? [];
    if (module === undefined || singular === undefined) continue;
    const other = modules.get(singular);
    if (other !== undefined) {
      throw new LauncherError(
        `One of ${other} and one of ${module} is called "${singular}", so their names in the code are the same. ` +
          'Take the files of the newer one away (`git status` lists them), and write it with another name.',
      );
    }
    modules.set(singular, module);
  }
}

/** @param {string[]} files manifests that are entered together */
function register(files) {
  const manifests = inOrder(files.map((file) => JSON.parse(readFileSync(file, 'utf8'))));
  try {
    for (const { module, edits } of manifests) {
      say(`${module}:`);
      for (const edit of edits) if (edit.late !== true) apply(edit);
    }
    // Once more, since the place of one may be in what the next one has entered; what has none is told.
    for (const { module, edits } of manifests) {
      enter(
        module,
        edits.filter(({ late }) => late !== true),
      );
    }
    for (const { module, edits, migration } of manifests) {
      migrate(migration);
      enter(
        module,
        edits.filter(({ late }) => late === true),
      );
    }
  } finally {
    format(manifests);
  }
  for (const command of new Set(manifests.flatMap(({ finish }) => finish))) run(command);
  for (const file of files) rmSync(file);
  for (const { module } of manifests) {
    say(
      `${module} is part of the service. Read its migration; \`${packageManager} run dev\` and \`${packageManager} run db:migrate\` apply it.`,
    );
  }
}

try {
  process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
  const { values } = util.parseArgs({ options: { help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
  } else {
    const manifests = readdirSync('.').filter((name) => MANIFEST.test(name));
    if (manifests.length > 0) refuseNamesakes();
    else say('There is no module to register: `copier copy` writes one.');
    const together = manifests.filter((name) => JSON.parse(readFileSync(name, 'utf8')).together === true);
    if (together.length > 0) register(together);
    for (const manifest of manifests.filter((name) => !together.includes(name))) register([manifest]);
  }
} catch (error) {
  if (error instanceof LauncherError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } else if (
    error instanceof UsageError ||
    /** @type {NodeJS.ErrnoException} */ (error).code?.startsWith('ERR_PARSE_ARGS')
  ) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n\n${HELP}`);
    process.exitCode = 2;
  } else throw error;
}
