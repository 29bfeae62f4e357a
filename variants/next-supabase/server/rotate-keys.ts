import pg from 'pg';
import { config } from '../lib/config/config.ts';
import { configOrExit } from '../lib/config/load-config.ts';
import { DecryptionError, Encryption } from '../lib/crypto/encryption.ts';

// `npm run keys:rotate`: after a new key was put first in ENCRYPTION_KEYS, and before the old one is dropped. It can be
// stopped and run again at any time.
const BATCH = 100;

interface Row {
  readonly id: string;
  readonly project_id: string;
  readonly secret: string;
}

const settings = configOrExit(config);
const encryption = new Encryption(settings.ENCRYPTION_KEYS);
const client = new pg.Client(settings.DATABASE_URL);
await client.connect();

const done = { rewritten: 0, unreadable: 0 };
let after = '00000000-0000-0000-0000-000000000000';
for (;;) {
  const { rows } = await client.query<Row>('SELECT * FROM private.webhook_secrets($1, $2, $3)', [
    encryption.currentPrefix,
    after,
    BATCH,
  ]);
  for (const row of rows) await rewrite(row);
  const last = rows.at(-1);
  if (last === undefined) break;
  after = last.id;
}
await client.end();
process.stdout.write(
  `keys: encrypted ${done.rewritten} anew; ${done.unreadable} could not be read and stay as they are\n`,
);
if (done.unreadable > 0) process.exitCode = 1;

async function rewrite({ id, project_id, secret }: Row): Promise<void> {
  try {
    const place = { table: 'webhook_endpoints', row: id, owner: project_id };
    const anew = encryption.rotate(secret, place);
    await client.query('SELECT private.replace_webhook_secret($1, $2, $3)', [id, secret, anew]);
    done.rewritten++;
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error;
    process.stderr.write(`${id}: ${error.message}\n`);
    done.unreadable++;
  }
}
