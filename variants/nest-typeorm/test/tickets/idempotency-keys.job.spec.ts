import { afterAll, beforeAll, expect, it } from 'vitest';
import { IdempotencyKeysJob } from '../../src/tickets/idempotency-keys.job.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startService, type TestService } from '../support/service.js';

let database: TestDatabase;
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

it('forgets keys after a day, and not before', async () => {
  await database.owner.query(`
    INSERT INTO idempotency_keys (key, fingerprint, response, created_at)
    VALUES ('old', '', '{}', now() - interval '24 hours 1 minute'), ('young', '', '{}', now() - interval '23 hours 59 minutes')`);
  await service.app.get(IdempotencyKeysJob).forgetOldKeys();
  const { rows } = await database.owner.query('SELECT key FROM idempotency_keys');
  expect(rows).toEqual([{ key: 'young' }]);
});

it('does not end the process when the database fails', async () => {
  await database.owner.query('ALTER TABLE idempotency_keys RENAME TO hidden');
  await expect(service.app.get(IdempotencyKeysJob).forgetOldKeys()).resolves.toBeUndefined();
  await database.owner.query('ALTER TABLE hidden RENAME TO idempotency_keys');
});
