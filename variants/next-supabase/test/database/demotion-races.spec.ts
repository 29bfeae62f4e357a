import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectOwner, connectService } from '../support/database';

/** Who writes, from what role the write is allowed, and as what the service or PostgREST is connected. */
interface Write {
  readonly what: string;
  readonly sql: string;
  readonly role: 'authenticated' | 'api_user';
  readonly lower: 'viewer' | 'editor';
}

const WRITES: readonly Write[] = [
  { what: 'change a project', sql: `UPDATE projects SET name = 'x' WHERE id = :project`, lower: 'viewer' },
  { what: 'delete a project', sql: 'DELETE FROM projects WHERE id = :project', lower: 'editor' },
  {
    what: 'add a member',
    sql: `INSERT INTO project_members (project_id, user_id, role) VALUES (:project, :candidate, 'admin')`,
    lower: 'editor',
  },
  {
    what: 'raise a member',
    sql: `UPDATE project_members SET role = 'admin' WHERE project_id = :project AND user_id = :other`,
    lower: 'editor',
  },
  {
    what: 'remove a member',
    sql: 'DELETE FROM project_members WHERE project_id = :project AND user_id = :other',
    lower: 'editor',
  },
  {
    what: 'add a webhook',
    sql: `INSERT INTO webhook_endpoints (id, project_id, url, event_types, secret)
      VALUES (:new, :project, 'https://example.com', '{member.added}', 'v1.secret')`,
    lower: 'editor',
  },
  {
    what: 'change a webhook',
    sql: `UPDATE webhook_endpoints SET url = 'https://example.org' WHERE id = :endpoint`,
    lower: 'editor',
  },
  { what: 'delete a webhook', sql: 'DELETE FROM webhook_endpoints WHERE id = :endpoint', lower: 'editor' },
  {
    what: 'record usage',
    sql: `INSERT INTO usage_metrics (user_id, project_id, event_type) VALUES (:self, :project, 'custom.x')`,
    lower: 'viewer',
  },
].map((write) => ({
  ...write,
  role: /webhook|usage/.test(write.sql) ? ('api_user' as const) : ('authenticated' as const),
  lower: write.lower as Write['lower'],
}));

let migrator: pg.Pool;
let service: pg.Pool;
let ids: Record<'project' | 'endpoint' | 'self' | 'other' | 'candidate' | 'new', string>;

beforeAll(() => {
  migrator = connectOwner();
  service = connectService();
  return async () => {
    await migrator.end();
    await service.end();
  };
});

beforeEach(async () => {
  const newUser = async () => {
    const values = [`${randomUUID()}@example.com`];
    return (await migrator.query('INSERT INTO auth.users (email) VALUES ($1) RETURNING id', values)).rows[0]
      .id;
  };
  const [owner, self, other, candidate] = [
    await newUser(),
    await newUser(),
    await newUser(),
    await newUser(),
  ];
  const { rows } = await migrator.query(
    `INSERT INTO projects (user_id, name) VALUES ($1, 'Loom') RETURNING id`,
    [owner],
  );
  ids = { project: rows[0].id, endpoint: randomUUID(), new: randomUUID(), self, other, candidate };
  await migrator.query(
    `INSERT INTO project_members (project_id, user_id, role) VALUES ($1, $2, 'owner'), ($1, $3, 'viewer')`,
    [ids.project, self, other],
  );
  await migrator.query(
    `INSERT INTO webhook_endpoints (id, project_id, url, event_types, secret)
     VALUES ($1, $2, 'https://example.com', '{member.removed}', 'v1.secret')`,
    [ids.endpoint, ids.project],
  );
  return async () => {
    await migrator.query('DELETE FROM auth.users WHERE id = ANY ($1)', [[owner, self, other, candidate]]);
  };
});

/** A connection on which a user is at work, in a transaction. */
async function begin(role: Write['role'], userId = ids.self): Promise<pg.PoolClient> {
  const client = await service.connect();
  await client.query('BEGIN');
  const claims = JSON.stringify({ sub: userId, role: 'authenticated' });
  await client.query(`SELECT set_config('request.jwt.claims', $1, true)`, [claims]);
  await client.query(`SET LOCAL ROLE ${role}`);
  return client;
}

const write = (client: pg.PoolClient, { sql }: Write) =>
  client.query(sql.replace(/:(\w+)/g, (_, name) => pg.escapeLiteral(ids[name as keyof typeof ids])));

const ENDS: readonly [end: string, sql: (write: Write) => string][] = [
  [
    'demoted',
    ({ lower }) => `UPDATE project_members SET role = '${lower}' WHERE project_id = $1 AND user_id = $2`,
  ],
  ['removed', () => 'DELETE FROM project_members WHERE project_id = $1 AND user_id = $2'],
];

const isBlocked = async (pid: number) =>
  (await migrator.query('SELECT cardinality(pg_blocking_pids($1)) > 0 AS blocked', [pid])).rows[0].blocked;

const pidOf = async (client: pg.PoolClient): Promise<number> =>
  (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;

/** Starts a statement and waits until another transaction blocks it. @returns its rows, or the code of its error, later */
async function startBlocked(client: pg.PoolClient, statement: () => Promise<pg.QueryResult>) {
  const pid = await pidOf(client);
  const outcome = statement().then(
    ({ rowCount }) => rowCount,
    (error: pg.DatabaseError) => error.code,
  );
  await vi.waitFor(async () => expect(await isBlocked(pid)).toBe(true), { timeout: 5_000 });
  return { outcome };
}

/** Expects that a statement is refused if the right of its user ends first. */
async function expectRefusal(
  writing: pg.PoolClient,
  end: string,
  statement: () => Promise<pg.QueryResult>,
): Promise<void> {
  const ending = await migrator.connect();
  try {
    await ending.query('BEGIN');
    await ending.query(end, [ids.project, ids.self]);
    const { outcome } = await startBlocked(writing, statement);
    await ending.query('COMMIT');
    expect(await outcome).toBe('42501');
  } finally {
    await writing.query('ROLLBACK');
    await ending.query('ROLLBACK');
    writing.release();
    ending.release();
  }
}

describe.each(ENDS)('a member who is %s at the moment of a write', (_, end) => {
  it.each(WRITES)('and whose right ended first can no longer $what', async (attempt) => {
    const writing = await begin(attempt.role);
    await expectRefusal(writing, end(attempt), () => write(writing, attempt));
  });

  it.each(WRITES)('and who was first to $what keeps the right until the commit', async (attempt) => {
    const ending = await migrator.connect();
    const writing = await begin(attempt.role);
    try {
      expect((await write(writing, attempt)).rowCount).toBe(1);
      const pid = await pidOf(ending);
      let ended = false;
      const done = ending.query(end(attempt), [ids.project, ids.self]).then(() => {
        ended = true;
      });
      await vi.waitFor(async () => expect(await isBlocked(pid)).toBe(true), { timeout: 5_000 });
      await sleep(50);
      expect(ended).toBe(false);
      await writing.query('COMMIT');
      await done;
    } finally {
      await writing.query('ROLLBACK');
      writing.release();
      ending.release();
    }
  });
});

it('a webhook that is added at the moment of the removal is disabled with it', async () => {
  const attempt = WRITES.find(({ what }) => what === 'add a webhook') as Write;
  const writing = await begin(attempt.role);
  try {
    await write(writing, attempt);
    const removal = migrator.query('DELETE FROM project_members WHERE project_id = $1 AND user_id = $2', [
      ids.project,
      ids.self,
    ]);
    await sleep(100);
    await writing.query('COMMIT');
    await removal;
  } finally {
    writing.release();
  }
  const { rows } = await migrator.query('SELECT disabled_at FROM webhook_endpoints WHERE id = $1', [ids.new]);
  expect(rows[0].disabled_at).not.toBeNull();
});

it('administrators who demote each other at the same moment do not both succeed', async () => {
  await migrator.query(`UPDATE project_members SET role = 'admin' WHERE project_id = $1`, [ids.project]);
  const clients = [await begin('authenticated', ids.self), await begin('authenticated', ids.other)] as const;
  const demote = (client: pg.PoolClient, whom: string) =>
    client.query(`UPDATE project_members SET role = 'viewer' WHERE project_id = $1 AND user_id = $2`, [
      ids.project,
      whom,
    ]);
  await demote(clients[0], ids.other);
  const second = demote(clients[1], ids.self).then(
    () => clients[1].query('COMMIT'),
    () => clients[1].query('ROLLBACK'),
  );
  await sleep(50);
  await clients[0].query('COMMIT');
  await second;
  for (const client of clients) client.release();
  const { rowCount } = await migrator.query(
    `SELECT FROM project_members WHERE project_id = $1 AND user_id = ANY ($2) AND role = 'admin'`,
    [ids.project, [ids.self, ids.other]],
  );
  expect(rowCount).toBe(1);
});

it('an administrator cannot delay the removal by a statement that lasts', async () => {
  const users = await migrator.connect();
  const writing = await begin('authenticated');
  try {
    await migrator.query(`UPDATE project_members SET role = 'admin' WHERE user_id = $1`, [ids.self]);
    // The check of a foreign key waits here, as it would for many rows.
    await users.query('BEGIN');
    await users.query('SELECT FROM auth.users WHERE id = $1 FOR UPDATE', [ids.candidate]);
    const { outcome } = await startBlocked(writing, () =>
      writing.query(`INSERT INTO project_members (project_id, user_id) VALUES ($1, $2)`, [
        ids.project,
        ids.candidate,
      ]),
    );
    const removal = `SET lock_timeout = '5s'; DELETE FROM project_members WHERE project_id = ${pg.escapeLiteral(ids.project)}
      AND user_id = ${pg.escapeLiteral(ids.self)}; RESET lock_timeout`;
    await migrator.query(removal);
    await users.query('COMMIT');
    expect(await outcome).toBe('42501');
  } finally {
    await users.query('ROLLBACK');
    await writing.query('ROLLBACK');
    users.release();
    writing.release();
  }
});

it('an administrator removes or demotes others and leaves in one statement', async () => {
  await migrator.query(`UPDATE project_members SET role = 'admin' WHERE user_id = $1`, [ids.self]);
  for (const sql of [
    `UPDATE project_members SET role = 'viewer' WHERE project_id = $1`,
    'DELETE FROM project_members WHERE project_id = $1',
  ]) {
    const writing = await begin('authenticated');
    expect((await writing.query(sql, [ids.project])).rowCount).toBe(2);
    await writing.query('ROLLBACK');
    writing.release();
  }
});

it.each([
  ['raise', `UPDATE project_members SET role = 'admin' WHERE project_id = $1 AND user_id = $2`],
  ['add', `INSERT INTO project_members (project_id, user_id, role) VALUES ($1, $2, 'admin')`],
])('an administrator whose role ended cannot %s the own membership', async (what, sql) => {
  await migrator.query(`UPDATE project_members SET role = 'admin' WHERE user_id = $1`, [ids.self]);
  const writing = await begin('authenticated');
  const end = what === 'add' ? 'DELETE FROM project_members' : `UPDATE project_members SET role = 'viewer'`;
  await expectRefusal(writing, `${end} WHERE project_id = $1 AND user_id = $2`, () =>
    writing.query(sql, [ids.project, ids.self]),
  );
});
