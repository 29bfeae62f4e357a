// @ts-check
/**
 * Finds the statements of a migration that delete or change stored values. Each variant's `db:generate` calls
 * `assertNoDataLoss` with the SQL that its tool has generated, before it writes a file.
 */
import process from 'node:process';
import { LauncherError } from './services/errors.mjs';

/** The types to which PostgreSQL converts without a loss, or not at all: a value that does not fit is an error. */
const EXACT = /^("|(text|uuid|jsonb?|bytea|boolean|bool|citext|character varying|varchar|char|character)\b)/i;

/**
 * Statements that lose values, what they do, and what to do instead.
 *
 * @type {[pattern: RegExp, effect: string, instead: string][]}
 */
const RULES = [
  [
    /^DROP (TABLE|SCHEMA|OWNED)\b/i,
    'deletes every row of it',
    'drop it in a later release, after no version that runs reads it',
  ],
  [
    /^ALTER TABLE\b.*\bDROP (?!CONSTRAINT\b|DEFAULT\b|NOT NULL\b|IDENTITY\b|EXPRESSION\b)/is,
    'deletes the values of the column',
    'if the column has a new name: ALTER TABLE … RENAME COLUMN … TO …; if it has a new type: ALTER COLUMN … TYPE … USING …',
  ],
  [/^DROP TYPE\b.*\bCASCADE\b/is, 'deletes every column of the type', 'convert the columns first'],
  [/^TRUNCATE\b/i, 'deletes every row', 'delete only the rows that are not needed'],
  [/^(WITH\b.*\b)?DELETE\b/is, 'deletes rows', 'delete them before the release'],
  [/^(WITH\b.*\b)?UPDATE\b/is, 'changes stored values', 'add a column and fill that'],
];

/** @typedef {{ statement: string, effect: string, instead: string }} Loss */

/**
 * Splits a script at its semicolons, except for those in strings, identifiers, comments and bodies of functions.
 *
 * @param {string} script
 */
export function statementsOf(script) {
  const token = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|;/g;
  const statements = [''];
  let end = 0;
  for (const match of script.matchAll(token)) {
    const [text] = match;
    const isComment = text.startsWith('--') || text.startsWith('/*');
    statements[statements.length - 1] +=
      script.slice(end, match.index) + (isComment || text === ';' ? ' ' : text);
    if (text === ';') statements.push('');
    end = match.index + text.length;
  }
  statements[statements.length - 1] += script.slice(end);
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
}

/**
 * @param {string} statement without comments
 * @returns {Loss[]}
 */
function lossesOf(statement) {
  // Strings and quoted names hold no keywords.
  const words = statement
    .replaceAll(/'(?:[^']|'')*'|(\$\w*\$)[\s\S]*?\1/g, "''")
    .replaceAll(/"(?:[^"]|"")*"/g, '"name"');
  const [, effect, instead] = RULES.find(([pattern]) => pattern.test(words)) ?? [];
  if (effect !== undefined && instead !== undefined) return [{ statement, effect, instead }];
  const cutting = /^ALTER TABLE\b/i.test(words)
    ? [...words.matchAll(/\bALTER (?:COLUMN )?(?:"name"|\w+) (?:SET DATA )?TYPE ([^,]+)/gi)]
    : [];
  return cutting
    .filter(([, type = '']) => !EXACT.test(type) || /\bUSING\b.*(::|\bAS )\s*"?(varchar|char)/i.test(type))
    .map(() => ({
      statement,
      effect: 'converts stored values, and rounds or cuts those that do not fit',
      instead: 'check that every stored value fits the new type',
    }));
}

/**
 * @param {readonly string[]} scripts SQL, with one statement or several each
 * @param {boolean} allowed by --allow-data-loss
 * @throws {LauncherError} with every statement that loses data, unless that is allowed
 */
export function assertNoDataLoss(scripts, allowed) {
  const losses = scripts.flatMap(statementsOf).flatMap(lossesOf);
  if (losses.length === 0) return;
  const list = losses
    .map(
      ({ statement, effect, instead }) =>
        `  ${statement.replaceAll(/\s+/g, ' ')};\n    ${effect}. Safe: ${instead}.`,
    )
    .join('\n');
  if (allowed) {
    process.stderr.write(`The migration loses data:\n${list}\n`);
    return;
  }
  throw new LauncherError(
    `Not written, since the migration would lose data:\n${list}\n` +
      'If that is intended, or to edit the statements by hand, run the command again with --allow-data-loss.',
  );
}
