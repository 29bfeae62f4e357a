import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../src/database/migrate.js';
import { runPrisma } from '../../src/database/prisma-cli.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

let stored: TestDatabase;
let folder: string;

beforeAll(async () => {
  stored = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), 'migrations-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await stored.drop();
});

/** What the engine left on the server. */
async function shadowDatabases(): Promise<string[]> {
  const { rows } = await stored.owner.query<{ name: string }>(
    `SELECT datname AS name FROM pg_database WHERE datname LIKE 'prisma_migrate_shadow%'`,
  );
  return rows.map(({ name }) => name);
}

describe('the migrations', () => {
  it('are what the schema says', async () => {
    const { exitCode, output } = await runPrisma(
      ['migrate', 'diff', '--from-migrations', 'prisma/migrations', '--to-schema', 'prisma', '--exit-code'],
      stored.ownerUrl,
    );
    expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
    expect(await shadowDatabases()).toEqual([]);
  });

  it('may be applied by several processes at once, and again', async () => {
    await stored.owner.query('CREATE DATABASE at_once');
    const [ownerUrl, url] = [stored.ownerUrl, stored.url].map(
      (text) => Object.assign(new URL(text), { pathname: 'at_once' }).href,
    ) as [string, string];
    const applied = await Promise.all([
      migrate(ownerUrl, url),
      migrate(ownerUrl, url),
      migrate(ownerUrl, url),
    ]);
    const names = (await readdir('prisma/migrations')).filter((name) => /^\d/.test(name));
    expect(applied.flat()).toEqual(names);
    expect(await migrate(ownerUrl, url)).toEqual([]);
    await stored.owner.query('DROP DATABASE at_once');
  });

  it('each wait for no lock without an end, and run for no hours', async () => {
    for (const name of (await readdir('prisma/migrations')).filter((name) => /^\d/.test(name))) {
      const sql = await readFile(join('prisma/migrations', name, 'migration.sql'), 'utf8');
      expect(sql).toMatch(/^(--.*\n)*SET lock_timeout = '\d+s';\nSET statement_timeout = '\d+s';\n/);
    }
  });

  it('leave trackings with the status that Google has confirmed', async () => {
    await stored.owner.query('CREATE DATABASE confirmed');
    const url = Object.assign(new URL(stored.ownerUrl), { pathname: 'confirmed' }).href;
    const owner = new pg.Client(url);
    await owner.connect();
    const apply = async (name: string) =>
      owner.query(await readFile(join('prisma/migrations', name, 'migration.sql'), 'utf8'));
    const names = (await readdir('prisma/migrations')).filter((name) => /^\d/.test(name)).sort();
    const operations = names.findIndex((name) => name.endsWith('_tracking_operations'));
    for (const name of names.slice(0, operations)) await apply(name);
    const [organization, other] = [randomUUID(), randomUUID()];
    const scope = (id: string) => owner.query(`SELECT set_config('app.organization_id', $1, false)`, [id]);
    for (const id of [organization, other]) {
      await scope(id);
      await owner.query(`INSERT INTO organizations (id, name, updated_at) VALUES ($1, 'Acme', now())`, [id]);
      await owner.query(
        `INSERT INTO customers (id, name, email, updated_at) VALUES ($1, 'Bakery', 'a@example.com', now())`,
        [id],
      );
      await owner.query(
        `INSERT INTO google_connections (id, google_email, updated_at) VALUES ($1, 'a@example.com', now())`,
        [id],
      );
    }
    const setups: Readonly<Record<string, readonly string[]>> = {
      DRAFT: [],
      SETTING_UP: ['FAILED', 'RUNNING'],
      ACTIVE: ['FAILED', 'SUCCEEDED'],
      FAILED: ['FAILED'],
    };
    for (const [confirmed, statuses] of Object.entries(setups)) {
      for (const status of ['ACTIVE', 'PAUSED']) {
        const { rows } = await owner.query<{ id: string }>(
          `INSERT INTO trackings (id, customer_id, name, kind, status, updated_at)
           VALUES (gen_random_uuid(), $1, $2, 'PAGE_VIEW', $3::tracking_status, now()) RETURNING id`,
          [other, `${confirmed} ${status}`, status],
        );
        for (const [index, setup] of statuses.entries())
          await owner.query(
            `INSERT INTO tracking_setups (id, tracking_id, connection_id, status, created_at, updated_at)
             VALUES (gen_random_uuid(), $1, $2, $3::setup_status, now() + $4 * interval '1 s', now())`,
            [rows[0]?.id, other, setup, index],
          );
      }
    }
    await owner.query(
      `INSERT INTO tracking_setup_steps (setup_id, step, state, updated_at)
       SELECT id, 'CONTAINER', 'DONE', now() FROM tracking_setups`,
    );
    await owner.query(`UPDATE tracking_setups SET finished_at = created_at WHERE status <> 'RUNNING'`);
    await scope('');
    // A worker that ends a setup locks its row, then the tracking.
    const worker = new pg.Client(url);
    await worker.connect();
    await worker.query('BEGIN; LOCK TABLE tracking_setups IN ROW EXCLUSIVE MODE');
    const applied = apply(names[operations] ?? '');
    await sleep(200);
    await worker.query('LOCK TABLE trackings IN ROW EXCLUSIVE MODE; COMMIT');
    await worker.end();
    await applied;
    await scope(other);
    const { rows: left } = await owner.query(
      `SELECT DISTINCT t.status, s.state FROM trackings t
         JOIN tracking_setups o ON o.tracking_id = t.id AND o.status = 'FAILED'
         JOIN tracking_setup_steps s ON s.setup_id = o.id ORDER BY 1, 2`,
    );
    expect(left.map(({ status, state }) => `${status} ${state}`).sort()).toEqual([
      'ACTIVE UNDONE',
      'FAILED DONE',
      'SETTING_UP DONE',
    ]);
    const { rows } = await owner.query('SELECT name, status FROM trackings');
    expect(rows).toHaveLength(8);
    for (const { name, status } of rows) expect(name).toMatch(new RegExp(`^${status} `));
    await scope(organization);
    expect((await owner.query('SELECT id FROM trackings')).rows).toEqual([]);
    await owner.end();
    await stored.owner.query('DROP DATABASE confirmed');
  });

  it('are not applied with one role for all', async () => {
    await expect(migrate(stored.ownerUrl, stored.ownerUrl)).rejects.toThrow('name the same role');
  });
});

/** Prisma's schema engine in WebAssembly, held against what the native one is known to do. */
describe('the schema engine', () => {
  const SCHEMA = `
generator client {
  provider = "prisma-client"
  output   = "./client"
}
datasource db {
  provider = "postgresql"
}
enum Kind {
  A
  B
}
model Post {
  id       Int      @id @default(autoincrement())
  kind     Kind     @default(A)
  tags     String[]
  author   Author   @relation(fields: [authorId], references: [id], onDelete: Cascade)
  authorId String   @db.Uuid

  @@index([authorId])
}
model Author {
  id    String @id @db.Uuid
  name  String @unique
  posts Post[]
}
`;

  /** As Prisma's documentation prints it. */
  const SQL = `-- CreateEnum
CREATE TYPE "Kind" AS ENUM ('A', 'B');

-- CreateTable
CREATE TABLE "Post" (
    "id" SERIAL NOT NULL,
    "kind" "Kind" NOT NULL DEFAULT 'A',
    "tags" TEXT[],
    "authorId" UUID NOT NULL,

    CONSTRAINT "Post_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Author" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,

    CONSTRAINT "Author_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Post_authorId_idx" ON "Post"("authorId");

-- CreateIndex
CREATE UNIQUE INDEX "Author_name_key" ON "Author"("name");

-- AddForeignKey
ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "Author"("id") ON DELETE CASCADE ON UPDATE CASCADE;
`;

  /** A project of its own, with a database of its own. */
  let url: string;
  let project: string;
  const prisma = (...args: string[]) =>
    runPrisma([...args, '--config', join(project, 'prisma.config.js')], url);

  beforeAll(async () => {
    project = join(folder, 'project');
    await mkdir(join(project, 'migrations/1_init'), { recursive: true });
    url = Object.assign(new URL(stored.ownerUrl), { pathname: 'engine' }).href;
    await writeFile(join(project, 'schema.prisma'), SCHEMA);
    await writeFile(
      join(project, 'prisma.config.js'),
      `process.env.PRISMA_SCHEMA_ENGINE_BINARY = ${JSON.stringify(resolve('scripts/schema-engine.mjs'))};
       export default { schema: 'schema.prisma', migrations: { path: 'migrations' }, datasource: { url: process.env.MIGRATION_DATABASE_URL } };`,
    );
    await writeFile(join(project, 'migrations/migration_lock.toml'), 'provider = "postgresql"\n');
    // Semicolons in the body of a function, and in text.
    await writeFile(
      join(project, 'migrations/1_init/migration.sql'),
      `${SQL}\nCREATE FUNCTION twice() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; RETURN 2; END; $$;\nCOMMENT ON FUNCTION twice() IS 'a; b';\n`,
    );
  });

  afterAll(async () => {
    await stored.owner.query('DROP DATABASE IF EXISTS engine');
  });

  const schema = () => join(project, 'schema.prisma');
  const diff = () => [
    ...['migrate', 'diff', '--from-migrations', join(project, 'migrations')],
    ...['--to-schema', schema()],
  ];

  it('creates the database that is not there, and applies', async () => {
    const { exitCode, output } = await prisma('migrate', 'deploy');
    expect(output).toContain('All migrations have been successfully applied');
    expect(exitCode).toBe(0);
    const status = await prisma('migrate', 'status');
    expect(status).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('Database schema is up to date!'),
    });
  });

  it('writes the SQL that the native one writes', async () => {
    const { exitCode, output } = await prisma(
      'migrate',
      'diff',
      '--from-empty',
      '--to-schema',
      schema(),
      '--script',
    );
    expect(exitCode).toBe(0);
    expect(output).toContain(SQL);
  });

  it('remembers a migration by the checksum of its file', async () => {
    const client = new pg.Client(url);
    await client.connect();
    const { rows } = await client.query('SELECT migration_name, checksum FROM _prisma_migrations');
    await client.end();
    const file = await readFile(join(project, 'migrations/1_init/migration.sql'));
    expect(rows).toEqual([
      { migration_name: '1_init', checksum: createHash('sha256').update(file).digest('hex') },
    ]);
  });

  it('tells drift by its exit code, and leaves no shadow database', async () => {
    expect(await prisma(...diff(), '--exit-code')).toMatchObject({ exitCode: 0 });
    await writeFile(
      join(project, 'schema.prisma'),
      SCHEMA.replace('posts Post[]', 'posts Post[]\n  bio String?'),
    );
    const changed = await prisma(...diff(), '--exit-code', '--script');
    await writeFile(join(project, 'schema.prisma'), SCHEMA);
    expect(changed).toMatchObject({ exitCode: 2 }); // which shows what was said
    expect(changed.output).toContain('ALTER TABLE "Author" ADD COLUMN     "bio" TEXT;');
    expect(await shadowDatabases()).toEqual([]);
  });

  it('passes on why a migration failed, and goes on when that is resolved', async () => {
    const bad = join(project, 'migrations/2_bad');
    await mkdir(bad);
    await writeFile(join(bad, 'migration.sql'), 'CREATE TABLE "Half" (id int);\nSELECT 1/0;\n');
    const failed = await prisma('migrate', 'deploy');
    expect(failed.exitCode).toBe(1);
    expect(failed.output).toContain('division by zero');
    expect(failed.output).toContain('2_bad');
    expect((await prisma('migrate', 'deploy')).output).toContain('P3009');
    expect(await prisma('migrate', 'resolve', '--rolled-back', '2_bad')).toMatchObject({ exitCode: 0 });
    await writeFile(join(bad, 'migration.sql'), 'CREATE TABLE "Half" (id int);\nDROP TABLE "Half";\n');
    expect(await prisma('migrate', 'deploy')).toMatchObject({ exitCode: 0 });
    await rm(bad, { recursive: true });
  });

  it('reads the schema of a database', async () => {
    const { exitCode, output } = await prisma('db', 'pull', '--print');
    expect(exitCode).toBe(0);
    expect(output).toMatch(/model Post {[^}]+author +Author +@relation\(fields: \[authorId\]/);
  });

  it('leaves no shadow database where a migration breaks in it', async () => {
    const bad = join(project, 'migrations/3_bad');
    await mkdir(bad);
    await writeFile(join(bad, 'migration.sql'), 'SELECT 1/0;\n');
    const broken = await prisma(...diff());
    await rm(bad, { recursive: true });
    expect(broken.exitCode).toBe(1);
    expect(broken.output).toContain('division by zero');
    expect(await shadowDatabases()).toEqual([]);
  });

  it.each<[string, (url: URL) => void, string]>([
    ['is not there', (url) => Object.assign(url, { host: '127.0.0.1:1' }), 'P1001'],
    ['refuses the password', (url) => Object.assign(url, { password: 'wrong' }), 'P1000'], // pragma: allowlist secret
  ])('says so where the server %s', async (_what, change, code) => {
    const changed = new URL(url);
    change(changed);
    const { exitCode, output } = await runPrisma(
      ['migrate', 'deploy', '--config', join(project, 'prisma.config.js')],
      changed.href,
    );
    expect(exitCode).toBe(1);
    expect(output).toContain(code);
    expect(output).not.toContain(new URL(url).password);
  });
});
