import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { as, connectOwner, connectService } from '../support/database';

const ACTORS = ['owner', 'admin', 'editor', 'viewer', 'stranger', 'anonymous', 'service_role'] as const;
type Actor = (typeof ACTORS)[number];

/** How many rows a statement reached, or that it was refused. */
type Outcome = number | 'refused';

let migrator: pg.Pool;
let service: pg.Pool;
const users = {} as Record<'owner' | 'admin' | 'editor' | 'viewer' | 'stranger' | 'candidate', string>;
let project: string;
let ownersKey: string;

beforeAll(async () => {
  migrator = connectOwner();
  service = connectService();
  for (const name of ['owner', 'admin', 'editor', 'viewer', 'stranger', 'candidate'] as const) {
    users[name] = await newUser();
  }
  const { rows } = await migrator.query(
    `INSERT INTO projects (user_id, name) VALUES ($1, 'Analytical engine') RETURNING id`,
    [users.owner],
  );
  project = rows[0].id;
  for (const role of ['admin', 'editor', 'viewer'] as const) {
    await migrator.query('INSERT INTO project_members (project_id, user_id, role) VALUES ($1, $2, $3)', [
      project,
      users[role],
      role,
    ]);
  }
  ownersKey = randomUUID();
  await migrator.query(
    `INSERT INTO api_keys (id, user_id, name, prefix, hash, scopes)
     VALUES ($1, $2, 'ci', 'svk_000000', $3, '{projects:read}')`,
    [ownersKey, users.owner, Buffer.from(randomUUID().replaceAll('-', ''))],
  );
  await migrator.query(
    `INSERT INTO usage_metrics (user_id, project_id, event_type) VALUES ($1, $2, 'project.updated')`,
    [users.owner, project],
  );
  await migrator.query(
    `INSERT INTO security_events (user_id, event_type, request_id) VALUES ($1, 'auth.denied', 'r1')`,
    [users.owner],
  );
  await migrator.query(
    `INSERT INTO private.idempotency_keys (user_id, key, fingerprint, status, headers) VALUES ($1, 'k', $2, 201, '{}')`,
    [users.owner, Buffer.alloc(32)],
  );
});

afterAll(async () => {
  await migrator.query('DELETE FROM auth.users WHERE id = ANY ($1)', [Object.values(users)]);
  await migrator.end();
  await service.end();
});

async function newUser(): Promise<string> {
  const { rows } = await migrator.query('INSERT INTO auth.users (email) VALUES ($1) RETURNING id', [
    `${randomUUID()}@example.com`,
  ]);
  return rows[0].id;
}

async function attempt(
  actor: Actor,
  sql: string,
  role: 'authenticated' | 'api_user' = 'authenticated',
): Promise<Outcome> {
  const values: Record<string, string> = {
    ...users,
    project,
    key: ownersKey,
    self: users[actor as 'owner'] ?? '',
  };
  const text = sql.replace(/(?<=[ (]):(\w+)/g, (_, name: string) => pg.escapeLiteral(values[name] ?? ''));
  const run = async (client: pg.PoolClient) => (await client.query(text)).rowCount ?? 0;
  try {
    if (actor === 'anonymous') return await as(migrator, 'anon', undefined, run);
    if (actor === 'service_role') return await as(migrator, 'service_role', undefined, run);
    return await as(service, role, users[actor], run);
  } catch (error) {
    if ((error as pg.DatabaseError).code === '42501') return 'refused';
    throw error;
  }
}

async function outcomes(sql: string): Promise<Record<Actor, Outcome>> {
  const entries: [Actor, Outcome][] = [];
  for (const actor of ACTORS) entries.push([actor, await attempt(actor, sql)]);
  return Object.fromEntries(entries) as Record<Actor, Outcome>;
}

/** In the order of {@link ACTORS}. */
const expected = (...results: Outcome[]) =>
  Object.fromEntries(ACTORS.map((actor, index) => [actor, results[index]]));

const no = 'refused';

const KEY = `INSERT INTO api_keys (name, prefix, hash, scopes)
  VALUES ('x', 'x', decode(repeat('01', 32), 'hex'), '{projects:read}') RETURNING id`;

describe('policies: what each may do to each table', () => {
  //                                                                  owner admin editor viewer stranger anon service
  it.each<[command: string, sql: string, results: Outcome[]]>([
    ['read a project', 'SELECT FROM projects WHERE id = :project', [1, 1, 1, 1, 0, no, 1]],
    ['change a project', `UPDATE projects SET name = 'x' WHERE id = :project`, [1, 1, 1, 0, 0, no, 1]],
    ['delete a project', 'DELETE FROM projects WHERE id = :project', [1, 0, 0, 0, 0, no, 1]],
    [
      'create a project for somebody else',
      `INSERT INTO projects (user_id, name) VALUES (:candidate, 'x')`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'give a project away',
      'UPDATE projects SET user_id = :candidate WHERE id = :project',
      [no, no, no, no, no, no, 1],
    ],
    ['set a version', 'UPDATE projects SET version = 9 WHERE id = :project', [no, no, no, no, no, no, 1]],

    ['read members', 'SELECT FROM project_members WHERE project_id = :project', [4, 4, 4, 4, 0, no, 4]],
    [
      'add a member',
      `INSERT INTO project_members (project_id, user_id, role) VALUES (:project, :candidate, 'viewer')`,
      [1, 1, no, no, no, no, 1],
    ],
    [
      'make an owner',
      `INSERT INTO project_members (project_id, user_id, role) VALUES (:project, :candidate, 'owner')`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'raise a member',
      `UPDATE project_members SET role = 'admin' WHERE project_id = :project AND user_id = :viewer`,
      [1, 1, 0, 0, 0, no, 1],
    ],
    [
      'raise a member to owner',
      `UPDATE project_members SET role = 'owner' WHERE project_id = :project AND user_id = :viewer`,
      [no, no, 0, 0, 0, no, 1],
    ],
    [
      'remove a member',
      'DELETE FROM project_members WHERE project_id = :project AND user_id = :editor',
      [1, 1, 1, 0, 0, no, 1],
    ],
    [
      'remove the owner',
      'DELETE FROM project_members WHERE project_id = :project AND user_id = :owner',
      [0, 0, 0, 0, 0, no, 1],
    ],

    ['read an API key', 'SELECT id, name FROM api_keys WHERE id = :key', [1, 0, 0, 0, 0, no, 1]],
    ['read the hash of an API key', 'SELECT hash FROM api_keys WHERE id = :key', [no, no, no, no, no, no, 1]],
    [
      'revoke an API key',
      'UPDATE api_keys SET revoked_at = now() WHERE id = :key',
      [no, no, no, no, no, no, 1],
    ],
    [
      'widen an API key',
      `UPDATE api_keys SET scopes = '{projects:write}' WHERE id = :key`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'create an API key for somebody else',
      `INSERT INTO api_keys (user_id, name, prefix, hash, scopes)
       VALUES (:candidate, 'x', 'x', decode(repeat('00', 32), 'hex'), '{projects:read}')`,
      [no, no, no, no, no, no, 1],
    ],
    ['delete an API key', 'DELETE FROM api_keys WHERE id = :key', [no, no, no, no, no, no, 1]],

    ['read usage', 'SELECT FROM usage_metrics WHERE project_id = :project', [1, 1, 0, 0, 0, no, 1]],
    [
      'invent usage',
      `INSERT INTO usage_metrics (user_id, event_type) VALUES (:candidate, 'x')`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'record usage of a project',
      `INSERT INTO usage_metrics (user_id, project_id, event_type) VALUES (coalesce(auth.uid(), :owner), :project, 'custom.x')`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'record usage for somebody else',
      `INSERT INTO usage_metrics (user_id, project_id, event_type) VALUES (:candidate, :project, 'custom.x')`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'change usage',
      `UPDATE usage_metrics SET event_type = 'x' WHERE project_id = :project`,
      [no, no, no, no, no, no, 1],
    ],
    ['delete usage', 'DELETE FROM usage_metrics WHERE project_id = :project', [no, no, no, no, no, no, 1]],
    ['read daily usage', 'SELECT FROM usage_daily WHERE user_id = :owner', [1, 0, 0, 0, 0, no, 1]],
    [
      'change daily usage',
      'UPDATE usage_daily SET events = 0 WHERE user_id = :owner',
      [no, no, no, no, no, no, 1],
    ],
    [
      'read the analytics of a project',
      'SELECT FROM project_analytics WHERE id = :project',
      [1, 1, 1, 1, 0, no, 1],
    ],

    ['read security events', 'SELECT FROM security_events WHERE user_id = :owner', [1, 0, 0, 0, 0, no, 1]],
    [
      'invent a security event',
      `INSERT INTO security_events (event_type, request_id) VALUES ('x', 'x')`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'delete security events',
      'DELETE FROM security_events WHERE user_id = :owner',
      [no, no, no, no, no, no, 1],
    ],

    [
      'read a stored answer',
      'SELECT FROM private.idempotency_keys WHERE user_id = :owner',
      [1, 0, 0, 0, 0, no, no],
    ],
    [
      'forge a stored answer',
      `INSERT INTO private.idempotency_keys (user_id, key, fingerprint, status, headers)
       VALUES (:candidate, 'x', decode(repeat('00', 32), 'hex'), 200, '{}')`,
      [no, no, no, no, no, no, no],
    ],
  ])('%s', async (_, sql, results) => {
    expect(await outcomes(sql)).toEqual(expected(...results));
  });

  it('users create projects of their own, and no keys', async () => {
    for (const actor of ['owner', 'stranger'] as const) {
      expect(
        await attempt(actor, `INSERT INTO projects (user_id, name) VALUES (:self, 'x') RETURNING id`),
      ).toBe(1);
      expect(await attempt(actor, KEY)).toBe(no);
    }
  });

  it.each<[command: string, sql: string, results: (number | 'refused')[]]>([
    //                                            owner admin editor viewer stranger
    ['create an API key', KEY, [1, 1, 1, 1, 1]],
    ['revoke an API key', 'UPDATE api_keys SET revoked_at = now() WHERE id = :key', [1, 0, 0, 0, 0]],
    [
      'record usage of a project',
      `INSERT INTO usage_metrics (user_id, project_id, event_type) VALUES (:self, :project, 'custom.x')`,
      [1, 1, 1, no, no],
    ],
    ['change a project', `UPDATE projects SET name = 'x' WHERE id = :project`, [1, 1, 1, 0, 0]],
    [
      'choose the owner of a project',
      'UPDATE projects SET user_id = :self WHERE id = :project',
      [no, no, no, no, no],
    ],
  ])('the service, for a user, can %s', async (_, sql, results) => {
    const found: Outcome[] = [];
    for (const actor of ACTORS.slice(0, 5)) found.push(await attempt(actor, sql, 'api_user'));
    expect(found).toEqual(results);
  });

  it('shows a public project to strangers, who may change nothing of it', async () => {
    await migrator.query(
      `UPDATE projects SET settings = '{"isPublic": true, "features": []}' WHERE id = $1`,
      [project],
    );
    try {
      expect(await attempt('stranger', 'SELECT FROM projects WHERE id = :project')).toBe(1);
      expect(await attempt('stranger', `UPDATE projects SET name = 'x' WHERE id = :project`)).toBe(0);
      expect(await attempt('stranger', 'DELETE FROM projects WHERE id = :project')).toBe(0);
      expect(await attempt('stranger', 'SELECT FROM project_members WHERE project_id = :project')).toBe(0);
      expect(await attempt('anonymous', 'SELECT FROM projects WHERE id = :project')).toBe(no);
    } finally {
      await migrator.query(
        `UPDATE projects SET settings = '{"isPublic": false, "features": []}' WHERE id = $1`,
        [project],
      );
    }
  });

  it('keeps a revoked key revoked', async () => {
    await as(service, 'api_user', users.owner, async (client) => {
      await client.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [ownersKey]);
      const { rowCount } = await client.query('UPDATE api_keys SET revoked_at = NULL WHERE id = $1', [
        ownersKey,
      ]);
      expect(rowCount).toBe(0);
    });
  });
});

describe('the service', () => {
  it('connects with a role that owns nothing and passes no policy by', async () => {
    const { rows } = await service.query(`
      SELECT r.rolsuper, r.rolbypassrls, r.rolcreaterole,
        (SELECT count(*)::int FROM pg_class AS c WHERE c.relowner = r.oid) AS owned
      FROM pg_roles AS r WHERE r.rolname = current_user`);
    expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, owned: 0 }]);
  });

  it.each([
    'projects',
    'project_members',
    'api_keys',
    'usage_metrics',
    'security_events',
    'project_analytics',
  ])('reads nothing of %s without a user', async (table) => {
    await expect(service.query(`SELECT FROM ${table}`)).rejects.toMatchObject({ code: '42501' });
    const seen = await as(service, 'authenticated', undefined, async (client) =>
      client.query(`SELECT FROM ${table}`).catch((error) => error),
    );
    expect(seen.rowCount ?? seen.code).toBeOneOf([0, '42501']);
  });

  it('cannot become service_role', async () => {
    await expect(as(service, 'service_role', undefined, async () => 'became it')).rejects.toMatchObject({
      code: '42501',
    });
  });

  it('leaves no user behind on a connection', async () => {
    const client = await service.connect();
    try {
      await client.query('BEGIN');
      await client.query(`SELECT set_config('request.jwt.claims', $1, true)`, [
        JSON.stringify({ sub: users.owner }),
      ]);
      await client.query('SET LOCAL ROLE authenticated');
      await client.query('COMMIT');
      const { rows } = await client.query(
        `SELECT current_user = session_user AS itself, current_setting('request.jwt.claims', true) AS claims`,
      );
      expect(rows).toEqual([{ itself: true, claims: '' }]);
    } finally {
      client.release();
    }
  });

  it('reads a project as the user it is told of, and is nobody afterwards', async () => {
    const client = await service.connect();
    try {
      const read = (userId: string) =>
        client.query('SELECT id FROM private.read_project($1, $2)', [userId, project]);
      expect((await read(users.viewer)).rows).toEqual([{ id: project }]);
      expect((await read(users.stranger)).rows).toEqual([]);
      const { rows } = await client.query(
        `SELECT current_user = session_user AS itself, current_setting('request.jwt.claims', true) AS claims`,
      );
      expect(rows).toEqual([{ itself: true, claims: '' }]);
    } finally {
      client.release();
    }
  });
});

describe('the database', () => {
  // Realtime asks no policy before it sends the replica identity of a deleted row to every subscriber of the table.
  it('publishes to Realtime only tables with a random id as their key', async () => {
    const { rows } = await migrator.query<{ name: string; identity: string; key: string[] }>(`
      SELECT c.relname AS name, c.relreplident AS identity,
        ARRAY(SELECT a.attname::text FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
          WHERE i.indrelid = c.oid AND i.indisprimary) AS key
      FROM pg_publication_tables AS p
      JOIN pg_class AS c ON c.oid = format('%I.%I', p.schemaname, p.tablename)::regclass
      WHERE p.pubname = 'supabase_realtime'`);
    expect(rows.map(({ name }) => name)).toContain('projects');
    expect(rows.map(({ name }) => name)).not.toContain('project_members');
    for (const table of rows) expect(table).toMatchObject({ identity: 'd', key: ['id'] });
  });

  // Where Supabase's Realtime is, private channels are open to nobody until a policy opens them.
  it('has no policy on the messages of Realtime', async () => {
    const { rows } = await migrator.query(
      `SELECT policyname FROM pg_policies WHERE schemaname = 'realtime' AND tablename = 'messages'`,
    );
    expect(rows).toEqual([]);
  });

  it('lets users read by column: one that is added has no grant', async () => {
    const { rows } = await migrator.query(`
      SELECT c.oid::regclass::text AS name FROM pg_class AS c
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
        AND has_table_privilege('authenticated', c.oid, 'SELECT, INSERT, UPDATE')`);
    expect(rows).toEqual([]);
  });

  it('has row-level security, FORCE and policies on every table', async () => {
    const { rows } = await migrator.query(`
      SELECT c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname IN ('public', 'private') AND c.relkind IN ('r', 'p')
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity
          AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid))`);
    expect(rows).toEqual([]);
  });

  it('lets nobody but the definers call their functions unasked', async () => {
    const { rows } = await migrator.query(`
      SELECT p.proname AS name FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
      WHERE n.nspname IN ('public', 'private') AND p.prosecdef AND has_function_privilege('anon', p.oid, 'EXECUTE')`);
    expect(rows).toEqual([]);
  });

  it('raises the version with every change, and counts usage by day', async () => {
    await as(service, 'authenticated', users.editor, async (client) => {
      const change = `UPDATE projects SET name = name || '!' WHERE id = $1 RETURNING version`;
      const first = await client.query(change, [project]);
      const second = await client.query(change, [project]);
      expect(second.rows[0].version).toBe(first.rows[0].version + 1);
    });
    const { rows } = await migrator.query(
      'SELECT event_type, events::int FROM usage_daily WHERE user_id = $1',
      [users.owner],
    );
    expect(rows).toEqual([{ event_type: 'project.updated', events: 1 }]);
  });
});
