import pg from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMigrationConfig } from '../../src/config/config.js';
import { ownerDataSource } from '../../src/database/data-source.js';
import { migrate } from '../../src/database/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { seed } from '../../src/database/seed.js';
import { Ticket } from '../../src/tickets/ticket.entity.js';
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

describe('tickets', () => {
  it('belong to a purchase of their event, in a database of 0.2.0 too', async () => {
    await database.owner.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    const options = { ...owner().options, migrations: migrations.slice(0, 1) };
    const before = await new DataSource(options).initialize();
    await migrate(before, database.url);
    const event = `gen_random_uuid(), 'An evening', 'Town hall', now(), 2, 1, 'EUR'`;
    await before.query(`
      INSERT INTO events (id, name, venue, starts_at, capacity, price, currency) VALUES (${event}), (${event});
      INSERT INTO purchases (id, event_id, quantity, total_price, currency, buyer_name, buyer_email)
      SELECT gen_random_uuid(), id, 1, 1, 'EUR', 'Ada', 'ada@example.com' FROM events;
      INSERT INTO tickets (event_id, number, purchase_id) SELECT event_id, 1, id FROM purchases`);
    // What an attempt that was interrupted leaves behind.
    await before.query(`CREATE UNIQUE INDEX "UQ_purchases_event_id" ON purchases (event_id, id)`);
    await before.destroy();

    const dataSource = await owner().initialize();
    await migrate(dataSource, database.url);
    const tickets = await dataSource.getRepository(Ticket).find({ relations: { purchase: { event: true } } });
    expect(tickets.map(({ eventId, purchase }) => purchase?.event?.id === eventId)).toEqual([true, true]);
    const [one, other] = tickets;
    const misplaced = dataSource.query('UPDATE tickets SET purchase_id = $1 WHERE event_id = $2', [
      one?.purchaseId,
      other?.eventId,
    ]);
    await expect(misplaced).rejects.toMatchObject({ constraint: 'FK_tickets_event_purchase' });
    await dataSource.destroy();
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

describe('the grants of the application’s role', () => {
  const migrateAgain = async () => {
    const dataSource = await owner().initialize();
    await migrate(dataSource, database.url).finally(() => dataSource.destroy());
  };
  /** The transactions that have last written the tables' rows in the catalog, in which the grants are. */
  const written = (tables: string) =>
    column(`SELECT DISTINCT xmin::text FROM pg_class WHERE relname = ANY('{${tables}}')`);

  it('are not written where nothing differs: the processes that run keep theirs', async () => {
    const before = await written('events,purchases,tickets,idempotency_keys');
    await migrateAgain();
    expect(await written('events,purchases,tickets,idempotency_keys')).toEqual(before);
  });

  it('are brought back in one transaction where they differ', async () => {
    const role = `"${decodeURIComponent(new URL(database.url).username)}"`;
    await database.owner.query(`
      REVOKE INSERT ON events FROM ${role};
      GRANT DELETE ON tickets TO ${role};
      GRANT UPDATE (quantity) ON purchases TO ${role}`);
    await migrateAgain();
    expect(await written('events,tickets,purchases')).toHaveLength(1);
    const grants = await column(`
      SELECT table_name || ': ' || string_agg(privilege_type, ', ' ORDER BY privilege_type)
        FROM information_schema.role_table_grants WHERE grantee = ${role.replaceAll('"', "'")}
       GROUP BY table_name ORDER BY table_name`);
    expect(grants).toEqual([
      'events: INSERT, SELECT, UPDATE',
      'idempotency_keys: DELETE, INSERT, SELECT',
      'purchases: INSERT, SELECT',
      'tickets: INSERT, SELECT',
    ]);
    await expect(column('UPDATE purchases SET quantity = 1', database.url)).rejects.toMatchObject({
      code: '42501',
    });
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
