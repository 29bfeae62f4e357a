import { readdir } from 'node:fs/promises';
import * as schema from './schema/index.js';

const SNAPSHOTS = new URL('./migrations/meta/', import.meta.url).pathname;

/** @returns the statements that the next migration would hold; none where schema and migrations agree */
export async function findDrift(current: Record<string, unknown> = schema): Promise<string[]> {
  // Here alone, since production has no drizzle-kit.
  const { generateDrizzleJson, generateMigration } = await import('drizzle-kit/api');
  // It gives every array a method of its own, which a loop over an array's keys would take for an item.
  for (const name of Object.keys(Array.prototype))
    Object.defineProperty(Array.prototype, name, { enumerable: false });
  const files = (await readdir(SNAPSHOTS)).filter((name) => name.endsWith('_snapshot.json')).sort();
  const last = await Bun.file(`${SNAPSHOTS}${files.at(-1)}`).json();
  return generateMigration(last, generateDrizzleJson(current, last.id));
}
