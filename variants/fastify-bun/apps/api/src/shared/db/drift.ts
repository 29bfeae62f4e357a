import { readdir } from 'node:fs/promises';
import * as schema from './schema/index.js';

const SNAPSHOTS = new URL('./migrations/meta/', import.meta.url).pathname;

/** @returns the statements that the next migration would hold; none where schema and migrations agree */
export async function findDrift(current: Record<string, unknown> = schema): Promise<string[]> {
  // Here alone, since production has no drizzle-kit.
  const { generateDrizzleJson, generateMigration } = await import('drizzle-kit/api');
  const files = (await readdir(SNAPSHOTS)).filter((name) => name.endsWith('_snapshot.json')).sort();
  const last = await Bun.file(`${SNAPSHOTS}${files.at(-1)}`).json();
  return generateMigration(last, generateDrizzleJson(current, last.id));
}
