import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role } from '@app/shared';
import { eq, sql } from 'drizzle-orm';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { projects, tasks } from '../src/schema/index.js';
import { NoTenantError, type TenantDatabase } from '../src/tenant-database.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { connect, createTenant, type Tenant } from './support/tenants.js';

let database: TestDatabase;
let pool: pg.Pool;
let tenants: TenantDatabase;
let a: Tenant;
let b: Tenant;

beforeAll(async () => {
  database = await createDatabase();
  ({ pool, tenants } = connect(database));
  [a, b] = await Promise.all([createTenant(database), createTenant(database)]);
});

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

afterEach(() => {
  // Every test gives its connections back.
  expect([pool.totalCount - pool.idleCount, pool.waitingCount]).toEqual([0, 0]);
});

const projectNames = async () =>
  (await tenants.db.select({ name: projects.name }).from(projects)).map(({ name }) => name);
const projectIds = async () =>
  (await tenants.db.select({ id: projects.id }).from(projects)).map(({ id }) => id);

describe('a scope', () => {
  it('sees the rows of its tenant, and no others', async () => {
    expect(await tenants.run(a, projectIds)).toEqual([a.projectId]);
    expect(await tenants.run(b, projectIds)).toEqual([b.projectId]);
  });

  it('is needed: without one nothing reaches the database', async () => {
    await expect(projectIds()).rejects.toMatchObject({ cause: expect.any(NoTenantError) });
    await expect(tenants.transaction(projectIds)).rejects.toThrow(NoTenantError);
    expect(() => tenants.tenantId).toThrow(NoTenantError);
  });

  it('cannot be left for another tenant half-way', async () => {
    await expect(tenants.run(a, () => tenants.run(b, projectIds))).rejects.toThrow('asks for another');
    expect(await tenants.run(a, () => tenants.run(a, projectIds))).toEqual([a.projectId]);
  });

  it('takes nothing for a tenant that is no UUID', async () => {
    for (const tenantId of ['', "x'; RESET ROLE; --", `${a.tenantId} `, a.tenantId.toUpperCase()]) {
      await expect(tenants.run({ tenantId }, projectIds)).rejects.toThrow(TypeError);
    }
  });

  it('lasts over everything that was begun in it, and no longer', async () => {
    const later = tenants.run(a, async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return projectIds();
    });
    expect(await tenants.run(b, projectIds)).toEqual([b.projectId]);
    expect(await later).toEqual([a.projectId]);
    await expect(projectIds()).rejects.toMatchObject({ cause: expect.any(NoTenantError) });
  });

  it('that was opened for nobody is entered for a tenant, once, and until then nothing runs', async () => {
    await tenants.open(async () => {
      await expect(projectIds()).rejects.toMatchObject({ cause: expect.any(NoTenantError) });
      await Promise.resolve().then(() => tenants.enter(a));
      expect(await projectIds()).toEqual([a.projectId]);
      expect(() => tenants.enter(b)).toThrow('asks for another');
    });
    expect(() => tenants.enter(a)).toThrow(NoTenantError);
  });

  it('that may only read cannot write', async () => {
    const rename = () => tenants.db.update(projects).set({ name: 'x' });
    await expect(tenants.run({ ...a, readOnly: true }, rename)).rejects.toMatchObject({
      cause: { code: '25006' },
    });
    const together = () => tenants.transaction(rename);
    await expect(tenants.run({ ...a, readOnly: true }, together)).rejects.toMatchObject({
      cause: { code: '25006' },
    });
  });
});

describe('a tenant', () => {
  it('can neither change nor delete the rows of another', async () => {
    const changed = await tenants.run(a, () =>
      tenants.db.update(projects).set({ name: 'mine' }).where(eq(projects.id, b.projectId)).returning(),
    );
    const deleted = await tenants.run(a, () =>
      tenants.db.delete(projects).where(eq(projects.id, b.projectId)).returning(),
    );
    expect([changed, deleted]).toEqual([[], []]);
    expect(await tenants.run(b, projectIds)).toEqual([b.projectId]);
  });

  it('cannot write a row into another, nor give one away', async () => {
    const row = { tenantId: b.tenantId, id: randomUUID(), name: 'smuggled' };
    await expect(tenants.run(a, () => tenants.db.insert(projects).values(row))).rejects.toMatchObject({
      cause: { code: '42501' },
    });
    const give = () => tenants.db.update(projects).set({ tenantId: b.tenantId });
    await expect(tenants.run(a, give)).rejects.toMatchObject({ cause: { code: '42501' } });
  });

  it('gets the same answer for a reference to another tenant’s row as for one to nothing', async () => {
    const task = (projectId: string) =>
      ({
        tenantId: a.tenantId,
        id: randomUUID(),
        projectId,
        title: 'x',
        type: 'bug',
        status: 'open',
      }) as const;
    const refusal = (projectId: string) =>
      tenants
        .run(a, () => tenants.db.insert(tasks).values(task(projectId)))
        .catch(({ cause }) => [cause.code, cause.constraint]);
    expect(await refusal(b.projectId)).toEqual(['23503', 'tasks_project_fkey']);
    expect(await refusal(b.projectId)).toEqual(await refusal(randomUUID()));
  });

  it('may use a name that another tenant uses', async () => {
    const [one, other] = await Promise.all([
      createTenant(database, 'Shared name'),
      createTenant(database, 'Shared name'),
    ]);
    expect(one.projectId).not.toBe(other.projectId);
  });
});

describe('a transaction', () => {
  it('commits all that was done in it, or nothing', async () => {
    const add = (name: string) =>
      tenants.db.insert(projects).values({ tenantId: a.tenantId, id: randomUUID(), name });
    const failing = tenants.run(a, () =>
      tenants.transaction(async () => {
        await add('first');
        await add('first');
      }),
    );
    await expect(failing).rejects.toMatchObject({ cause: { code: '23505' } });
    expect(await tenants.run(a, projectIds)).toEqual([a.projectId]);
  });

  it('of one statement leaves its connection as good as before, whether parsing, planning or running it failed', async () => {
    const { pool: one, tenants: single } = connect(database, 1);
    const read = () => single.db.select({ id: projects.id }).from(projects);
    try {
      for (const [statement, code] of [
        [sql`SELECT nothing FROM projects`, '42703'],
        [sql`SELECT ${'x'}::uuid`, '22P02'],
        [sql`SELECT 1 / 0`, '22012'],
      ] as const) {
        for (let time = 0; time < 2; time += 1) {
          const failing = single.run(a, () => single.db.execute(statement));
          await expect(failing).rejects.toMatchObject({ cause: { code } });
          expect(await single.run(a, read)).toEqual([{ id: a.projectId }]);
        }
      }
    } finally {
      await one.end();
    }
  });

  it('of one statement is run again when PostgreSQL ends it for the sake of another', async () => {
    const attempts = sql`SELECT nextval('attempts')::int AS attempt`;
    await database.owner.query('CREATE SEQUENCE attempts; GRANT USAGE ON attempts TO PUBLIC');
    await database.owner.query(`CREATE FUNCTION victim_once() RETURNS int LANGUAGE plpgsql AS $$
      DECLARE attempt int := nextval('attempts');
      BEGIN IF attempt = 1 THEN RAISE 'victim' USING ERRCODE = '40P01'; END IF; RETURN attempt; END $$`);
    const answer = await tenants.run(a, () => tenants.db.execute(sql`SELECT victim_once() AS attempt`));
    expect(answer.rows).toEqual([{ attempt: 2 }]);
    expect((await tenants.run(a, () => tenants.db.execute(attempts))).rows).toEqual([{ attempt: 3 }]);
  });

  it('inside another is a part of that', async () => {
    const inner = () =>
      tenants.transaction(() => tenants.db.execute(sql`SELECT pg_current_xact_id()::text AS id`));
    const ids = await tenants.run(a, () => tenants.transaction(async () => [await inner(), await inner()]));
    expect(ids[0]?.rows).toEqual(ids[1]?.rows);
  });

  it('calls what waits for its commit, once, and not where it is rolled back', async () => {
    const calls: string[] = [];
    let attempts = 0;
    await tenants.run(a, () =>
      tenants.transaction(async () => {
        attempts += 1;
        tenants.afterCommit(() => calls.push(`attempt ${attempts}`));
        await projectIds();
        if (attempts === 1)
          await tenants.db.execute(sql`DO $$ BEGIN RAISE 'victim' USING ERRCODE = '40001'; END $$`);
        expect(calls).toEqual([]);
      }),
    );
    expect(calls).toEqual(['attempt 2']);
    await expect(tenants.run(a, async () => tenants.afterCommit(() => undefined))).rejects.toThrow(
      'no transaction',
    );
  });

  it('has the statements of its commit in it, in their order, also one that waits for something first', async () => {
    const seen: string[] = [];
    const note = (name: string, before: Promise<unknown> = Promise.resolve()) =>
      tenants.atCommit(async () => {
        await before;
        const { rows } = await tenants.db.execute<{ id: string; tenant: string }>(
          sql`SELECT pg_current_xact_id()::text AS id, current_setting('app.tenant_id') AS tenant`,
        );
        seen.push(`${name} ${rows[0]?.id} ${rows[0]?.tenant}`);
      });
    const begin = (waitMs: number) =>
      tenants.run(a, () =>
        tenants.transaction(async () => {
          note('first');
          note('second', waitMs === 0 ? undefined : sleep(waitMs));
          return tenants.db.execute<{ id: string }>(sql`SELECT pg_current_xact_id()::text AS id`);
        }),
      );
    for (const waitMs of [0, 20]) {
      seen.length = 0;
      const { rows } = await begin(waitMs);
      expect(seen).toEqual(['first', 'second'].map((name) => `${name} ${rows[0]?.id} ${a.tenantId}`));
    }
    await expect(tenants.run(a, async () => note('nowhere'))).rejects.toThrow('no transaction');
  });

  it('is rolled back where a statement of its commit fails, and calls nothing', async () => {
    const calls: string[] = [];
    const failing = tenants.run(a, () =>
      tenants.transaction(async () => {
        tenants.afterCommit(() => calls.push('committed'));
        await tenants.db.update(projects).set({ name: 'Not to be kept' });
        tenants.atCommit(() => tenants.db.execute(sql`SELECT 1 / 0`));
      }),
    );
    await expect(failing).rejects.toMatchObject({ cause: { code: '22012' } });
    expect(calls).toEqual([]);
    const names = await tenants.run(a, () => tenants.db.select({ name: projects.name }).from(projects));
    expect(names).not.toContainEqual({ name: 'Not to be kept' });
  });

  it('tells whoever swallows an error that nothing was committed', async () => {
    const swallowing = tenants.run(a, () =>
      tenants.transaction(async () => {
        await tenants.db.execute(sql`SELECT 1 / 0`).catch(() => undefined);
      }),
    );
    await expect(swallowing).rejects.toThrow('swallowed');
  });

  it('is run again when PostgreSQL ends it for the sake of another', async () => {
    let attempts = 0;
    const work = () =>
      tenants.transaction(async () => {
        attempts += 1;
        if (attempts < 3)
          await tenants.db.execute(sql`DO $$ BEGIN RAISE 'victim' USING ERRCODE = '40P01'; END $$`);
        return attempts;
      });
    expect(await tenants.run(a, work)).toBe(3);
  });

  it('is not run again for any other error', async () => {
    let attempts = 0;
    const work = () =>
      tenants.transaction(async () => {
        attempts += 1;
        await tenants.db.execute(sql`SELECT 1 / 0`);
      });
    await expect(tenants.run(a, work)).rejects.toMatchObject({ cause: { code: '22012' } });
    expect(attempts).toBe(1);
  });
});

it('mixes nothing up on one connection over 1,000 changes of tenant, with errors and aborts between', async () => {
  const { pool: one, tenants: alternating } = connect(database, 1);
  try {
    for (let turn = 0; turn < 1_000; turn += 1) {
      const tenant = turn % 2 === 0 ? a : b;
      const ids = await alternating.run(tenant, async () => {
        if (turn % 5 === 0) await alternating.db.execute(sql`SELECT 1 / 0`).catch(() => undefined);
        if (turn % 7 === 0) {
          await alternating
            .transaction(async () => Promise.reject(new Error('abort')))
            .catch(() => undefined);
        }
        return (await alternating.db.select({ id: projects.id }).from(projects)).map(({ id }) => id);
      });
      expect(ids).toEqual([tenant.projectId]);
    }
    // The setting ends with the transaction, whatever became of it.
    const { rows } = await one.query(
      `SELECT nullif(current_setting('app.tenant_id', true), '') AS tenant, count(*)::int AS rows FROM projects`,
    );
    expect(rows).toEqual([{ tenant: null, rows: 0 }]);
  } finally {
    await one.end();
  }
});

describe('a member', () => {
  const refused = new Error('no longer a member');
  const scopeOf = (tenant: Tenant, userId: string, isPrivileged = false) => ({
    tenantId: tenant.tenantId,
    member: {
      userId,
      isPrivileged,
      authorize: (role: Role | undefined) => {
        if (role === undefined) throw refused;
      },
    },
  });
  const rename = () => tenants.db.update(projects).set({ name: 'renamed' }).returning();

  it.each([
    ['a statement by itself', rename],
    ['a transaction', () => tenants.transaction(rename)],
    ['a transaction that changes memberships', () => tenants.transaction(rename, { locksMembers: true })],
    ['a transaction that fails', () => tenants.transaction(() => Promise.reject(new Error('not found')))],
  ])('of another tenant is refused %s', async (_what, write) => {
    const error = await tenants.run(scopeOf(a, b.userId), write).catch((reason: Error) => reason);
    expect(error === refused || (error as Error).cause === refused).toBe(true);
    expect(await tenants.run(a, projectNames)).not.toContain('renamed');
  });

  it('has the role that the transaction has read', async () => {
    const role = () => tenants.transaction(() => tenants.role());
    expect(await tenants.run(scopeOf(a, a.userId), role)).toBe('owner');
    await expect(tenants.run(a, role)).rejects.toThrow('has no member');
  });

  it('is authorized before the handler runs, where that is asked for', async () => {
    const authorize = () => tenants.authorize();
    await tenants.run({ ...scopeOf(a, a.userId, true), readOnly: true }, authorize);
    await expect(tenants.run(scopeOf(a, b.userId, true), authorize)).rejects.toBe(refused);
  });

  it('reads without being authorized', async () => {
    const scope = { ...scopeOf(a, b.userId), readOnly: true };
    expect(await tenants.run(scope, projectIds)).toEqual(await tenants.run(a, projectIds));
  });
});

describe('round trips', () => {
  /** How often the client waits for the server while a function runs. */
  async function roundTrips(run: () => Promise<unknown>): Promise<number> {
    const client = await pool.connect();
    const stream = (client as unknown as { connection: { stream: NodeJS.WritableStream } }).connection.stream;
    const { write } = stream;
    let trips = 0;
    let isWaiting = false;
    const onData = () => {
      isWaiting = false;
    };
    stream.on('data', onData);
    stream.write = ((...args: Parameters<typeof write>) => {
      if (!isWaiting) trips += 1;
      isWaiting = true;
      return write.apply(stream, args);
    }) as typeof write;
    client.release();
    await run();
    stream.write = write;
    stream.off('data', onData);
    return trips;
  }

  it('are one for a statement by itself, one for each of a transaction, and one for COMMIT with what goes with it', async () => {
    const { pool: one, tenants: counted } = connect(database, 1);
    const before = pool;
    pool = one;
    const read = () => counted.db.select({ id: projects.id }).from(projects);
    try {
      await counted.run(a, read);
      expect(await roundTrips(() => counted.run(a, read))).toBe(1);
      const two = () => counted.transaction(async () => [await read(), await read()]);
      expect(await roundTrips(() => counted.run(a, two))).toBe(3);
      const member = { userId: a.userId, isPrivileged: true, authorize: () => undefined };
      const asMember = () => counted.run({ tenantId: a.tenantId, member }, two);
      await asMember();
      expect(await roundTrips(asMember)).toBe(3);
      const last = async () => {
        counted.atCommit(read);
        counted.atCommit(read);
        return read();
      };
      expect(await roundTrips(() => counted.run(a, () => counted.transaction(last)))).toBe(2);
    } finally {
      pool = before;
      await one.end();
    }
  });
});
