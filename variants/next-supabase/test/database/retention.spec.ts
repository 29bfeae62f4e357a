import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectOwner, connectService } from '../support/database';

let owner: pg.Pool;
let service: pg.Pool;
let user: string;

beforeAll(async () => {
  owner = connectOwner();
  service = connectService();
  const { rows } = await owner.query('INSERT INTO auth.users (email) VALUES ($1) RETURNING id', [
    `${randomUUID()}@example.com`,
  ]);
  user = rows[0].id;
});

afterAll(async () => {
  await owner.query('DELETE FROM auth.users WHERE id = $1', [user]);
  await owner.end();
  await service.end();
});

const kept = async (table: string) => {
  const { rows } = await owner.query(`SELECT event_type FROM ${table} WHERE user_id = $1 ORDER BY 1`, [user]);
  return rows.map(({ event_type }) => event_type);
};

it('lets go of what is old, a batch at a time, and keeps what usage adds up to', async () => {
  for (const table of ['usage_metrics', 'security_events']) {
    const more = table === 'security_events' ? ', request_id' : '';
    await owner.query(
      `INSERT INTO ${table} (user_id, event_type, created_at${more})
       SELECT $1, kind, now() - age * interval '1 day'${more && ", 'r'"}
       FROM (VALUES ('old.1', 500), ('old.2', 500), ('young', 10)) AS events (kind, age)`,
      [user],
    );
  }
  const expire = async (batch: number) =>
    (await service.query('SELECT private.expire($1)::int AS rows', [batch])).rows[0].rows;
  expect(await expire(1)).toBeGreaterThanOrEqual(2); // one of each table
  while ((await expire(10_000)) > 0); // other tests have old rows, too
  expect(await kept('usage_metrics')).toEqual(['young']);
  expect(await kept('security_events')).toEqual(['young']);
  expect(await kept('usage_daily')).toEqual(['old.1', 'old.2', 'young']);
});
