import { setTimeout as sleep } from 'node:timers/promises';
import { pool } from '@/lib/database/pool';
import { drain } from '@/lib/drain';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';

const HOUR_MS = 3_600_000;

/** Rows of each table in one statement, so that none takes long. */
const BATCH = 1_000;

/** Lets go of rows that are older than `private.retention` says, every hour until the process is told to stop. */
export function startExpiry(): void {
  void processWide('expiry', run);
}

async function run(): Promise<void> {
  // Processes that start together do not all come at the same moment.
  await sleep(Math.random() * HOUR_MS, undefined, { ref: false });
  while (!drain().draining) {
    await expire().catch((error: unknown) => log().warn({ err: error }, 'old rows could not be deleted'));
    await sleep(HOUR_MS, undefined, { ref: false });
  }
}

async function expire(): Promise<void> {
  let rows: number;
  do {
    const result = await pool().query<{ rows: number }>('SELECT private.expire($1) AS rows', [BATCH]);
    rows = result.rows[0]?.rows ?? 0;
    if (rows > 0) log().info({ rows }, 'old rows are deleted');
  } while (rows > 0 && !drain().draining);
}
