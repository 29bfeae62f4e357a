import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMigrationConfig } from '../../src/config/config.js';
import { ownerDataSource } from '../../src/database/data-source.js';
import { migrate } from '../../src/database/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { seed } from '../../src/database/seed.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(async () => {
  await database?.drop();
});

function owner() {
  const config = { ...process.env, DATABASE_URL: database.url, MIGRATION_DATABASE_URL: database.ownerUrl };
  return ownerDataSource(readMigrationConfig(config));
}

async function column(sql: string, url = database.ownerUrl): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows.map(([value]: unknown[]) => value);
  } finally {
    await client.end();
  }
}

describe('migrations', () => {
  it('leave entities and schema in agreement', async () => {
    const dataSource = await owner().initialize();
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    await dataSource.destroy();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('are applied once when several processes migrate at the same time', async () => {
    await database.owner.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    const dataSources = [owner(), owner(), owner()];
    const applied = await Promise.all(
      dataSources.map(async (dataSource) => {
        await dataSource.initialize();
        return migrate(dataSource, database.url).finally(() => dataSource.destroy());
      }),
    );
    expect(applied.flat()).toEqual(migrations.map(({ name }) => name));
    expect(await column('SELECT name FROM migrations ORDER BY id')).toEqual(
      migrations.map(({ name }) => name),
    );
  });
});

describe('the application’s role', () => {
  it('owns nothing, and is neither a superuser nor exempt from row-level security', async () => {
    const role = decodeURIComponent(new URL(database.url).username);
    expect(
      await column(
        `SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = '${role}'`,
      ),
    ).toEqual([false]);
    expect(
      await column(
        `SELECT relname FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE rolname = '${role}'`,
      ),
    ).toEqual([]);
  });

  it.each([
    'DELETE FROM events',
    'TRUNCATE events',
    'DELETE FROM tickets',
    'UPDATE tickets SET number = number',
    'UPDATE purchases SET quantity = 1',
    'UPDATE idempotency_keys SET key = key',
    'DROP TABLE events',
    'CREATE TABLE mine (id int)',
    'ALTER TABLE events DROP CONSTRAINT "CHK_events_sold"',
    'SELECT * FROM migrations',
  ])('may not %s', async (sql) => {
    await expect(column(sql, database.url)).rejects.toMatchObject({ code: '42501' });
  });
});

describe('the schema stands behind the code', () => {
  const EVENT = '01990000-0000-7000-8000-00000000000a';
  beforeAll(async () => {
    await database.owner.query(
      `INSERT INTO events (id, name, venue, starts_at, capacity, price, currency) VALUES ($1, 'x', 'y', now(), 2, 1, 'EUR')`,
      [EVENT],
    );
  });

  it.each([
    ['more sold than there is', 'UPDATE events SET sold = 3', 'CHK_events_sold'],
    ['less than nothing sold', 'UPDATE events SET sold = -1', 'CHK_events_sold'],
    ['a sold-out mark that is not true', 'UPDATE events SET sold_out = true', 'CHK_events_sold_out'],
    ['no seats', 'UPDATE events SET capacity = 0', 'CHK_events_capacity'],
    ['a negative price', 'UPDATE events SET price = -1', 'CHK_events_price'],
    [
      'a purchase of nothing',
      `INSERT INTO purchases (id, event_id, quantity, total_price, currency, buyer_name, buyer_email)
       VALUES (gen_random_uuid(), '${EVENT}', 0, 1, 'EUR', 'x', 'y')`,
      'CHK_purchases_quantity',
    ],
    [
      'a purchase of no event',
      `INSERT INTO purchases (id, event_id, quantity, total_price, currency, buyer_name, buyer_email)
       VALUES (gen_random_uuid(), gen_random_uuid(), 1, 1, 'EUR', 'x', 'y')`,
      'FK_purchases_event',
    ],
  ])('against %s', async (_what, sql, constraint) => {
    await expect(database.owner.query(sql)).rejects.toMatchObject({ constraint });
  });

  it('against a seat sold twice', async () => {
    const sell = `
      WITH purchase AS (
        INSERT INTO purchases (id, event_id, quantity, total_price, currency, buyer_name, buyer_email)
        VALUES (gen_random_uuid(), '${EVENT}', 1, 1, 'EUR', 'x', 'y') RETURNING id)
      INSERT INTO tickets (event_id, number, purchase_id) SELECT '${EVENT}', 1, id FROM purchase`;
    await database.owner.query(sell);
    await expect(database.owner.query(sell)).rejects.toMatchObject({ constraint: 'PK_tickets' });
  });
});

it('seeds the sample events once, however often it runs', async () => {
  const dataSource = await owner().initialize();
  try {
    expect([await seed(dataSource), await seed(dataSource)]).toEqual([3, 0]);
  } finally {
    await dataSource.destroy();
  }
});
