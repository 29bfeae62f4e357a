import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { as, connectOwner, connectService } from '../support/database';

const ROLES = ['owner', 'admin', 'editor', 'viewer'] as const;
const ACTORS = [...ROLES, 'stranger', 'anonymous', 'service_role'] as const;
type Actor = (typeof ACTORS)[number];

/** How many rows a statement reached, or that it was refused. */
type Outcome = number | 'refused';
const no = 'refused';

let migrator: pg.Pool;
let service: pg.Pool;
const users: Record<string, string> = {};
let project: string;
let endpoint: string;

beforeAll(async () => {
  migrator = connectOwner();
  service = connectService();
  for (const name of [...ROLES, 'stranger']) {
    const { rows } = await migrator.query('INSERT INTO auth.users (email) VALUES ($1) RETURNING id', [
      `${randomUUID()}@example.com`,
    ]);
    users[name] = rows[0].id;
  }
  const { rows } = await migrator.query(
    `INSERT INTO projects (user_id, name, settings) VALUES ($1, 'Loom', '{"isPublic": true, "features": []}') RETURNING id`,
    [users.owner],
  );
  project = rows[0].id;
  for (const role of ROLES.slice(1)) {
    await migrator.query('INSERT INTO project_members (project_id, user_id, role) VALUES ($1, $2, $3)', [
      project,
      users[role],
      role,
    ]);
  }
  endpoint = randomUUID();
  await migrator.query(
    `INSERT INTO webhook_endpoints (id, project_id, url, event_types, secret)
     VALUES ($1, $2, 'https://example.com', '{project.updated}', 'v1.secret')`,
    [endpoint, project],
  );
  await migrator.query('UPDATE projects SET name = $2 WHERE id = $1', [project, 'Tables']);
  return async () => {
    await migrator.query('DELETE FROM auth.users WHERE id = ANY ($1)', [Object.values(users)]);
    await migrator.end();
    await service.end();
  };
});

async function attempt(
  actor: Actor,
  sql: string,
  role: 'authenticated' | 'api_user' = 'api_user',
): Promise<Outcome> {
  const text = sql.replace(/:(project|endpoint|new)\b/g, (_, name: string) =>
    pg.escapeLiteral({ project, endpoint, new: randomUUID() }[name] as string),
  );
  const run = async (client: pg.PoolClient) => (await client.query(text)).rowCount ?? 0;
  try {
    if (actor === 'anonymous') return await as(migrator, 'anon', undefined, run);
    if (actor === 'service_role') return await as(migrator, 'service_role', undefined, run);
    return await as(service, role, users[actor], run);
  } catch (error) {
    if ((error as pg.DatabaseError).code === '42501') return no;
    throw error;
  }
}

describe('policies of webhooks: what each may do', () => {
  //                                       owner admin editor viewer stranger anon service
  it.each<[what: string, sql: string, outcomes: Outcome[]]>([
    ['see one', 'SELECT id FROM webhook_endpoints WHERE id = :endpoint', [1, 1, 0, 0, 0, no, 1]],
    [
      'read its secret',
      'SELECT secret FROM webhook_endpoints WHERE id = :endpoint',
      [no, no, no, no, no, no, 1],
    ],
    [
      'add one',
      `INSERT INTO webhook_endpoints (id, project_id, url, event_types, secret)
       VALUES (:new, :project, 'https://example.com', '{member.added}', 'v1.secret')`,
      [1, 1, no, no, no, no, 1],
    ],
    [
      'change one',
      `UPDATE webhook_endpoints SET url = 'https://example.org' WHERE id = :endpoint`,
      [1, 1, 0, 0, 0, no, 1],
    ],
    [
      'move one to another project',
      'UPDATE webhook_endpoints SET project_id = :new WHERE id = :endpoint AND false',
      [no, no, no, no, no, no, 0],
    ],
    ['remove one', 'DELETE FROM webhook_endpoints WHERE id = :endpoint', [1, 1, 0, 0, 0, no, 1]],
    [
      'see deliveries',
      'SELECT FROM webhook_deliveries WHERE endpoint_id = :endpoint',
      [1, 1, 0, 0, 0, no, 1],
    ],
    [
      'make up a delivery',
      `INSERT INTO webhook_deliveries (endpoint_id, event_type, payload) VALUES (:endpoint, 'x', '{}')`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'change a delivery',
      `UPDATE webhook_deliveries SET state = 'failed' WHERE endpoint_id = :endpoint`,
      [no, no, no, no, no, no, 1],
    ],
    [
      'remove deliveries',
      'DELETE FROM webhook_deliveries WHERE endpoint_id = :endpoint',
      [no, no, no, no, no, no, 1],
    ],
    ['take what is due', `SELECT FROM private.claim_webhooks(0, '1 s')`, [no, no, no, no, no, no, 0]],
    [
      'take what is due, of each project a few',
      `SELECT FROM private.claim_webhooks(0, '1 s', 1, 1, '{}')`,
      [no, no, no, no, no, no, 0],
    ],
    [
      'say who set the URL',
      'UPDATE webhook_endpoints SET url_set_by = NULL WHERE id = :endpoint',
      [no, no, no, no, no, no, 1],
    ],
  ])('%s', async (_, sql, outcomes) => {
    const found: Outcome[] = [];
    for (const actor of ACTORS) found.push(await attempt(actor, sql));
    expect(Object.fromEntries(ACTORS.map((actor, index) => [actor, found[index]]))).toEqual(
      Object.fromEntries(ACTORS.map((actor, index) => [actor, outcomes[index]])),
    );
  });

  it.each([
    `INSERT INTO webhook_endpoints (id, project_id, url, event_types, secret)
     VALUES (:new, :project, 'https://example.com', '{member.added}', 'v1.secret')`,
    `UPDATE webhook_endpoints SET url = 'http://example.org' WHERE id = :endpoint`,
    'DELETE FROM webhook_endpoints WHERE id = :endpoint',
  ])('PostgREST writes none, for any role: %s', async (sql) => {
    for (const actor of [...ROLES, 'stranger', 'anonymous'] as const) {
      expect(await attempt(actor, sql, 'authenticated')).toBe(no);
    }
  });

  it('a project has at most 20, also by requests at the same time', async () => {
    const add = () =>
      migrator.query(
        `INSERT INTO webhook_endpoints (id, project_id, url, event_types, secret)
         VALUES ($1, $2, 'https://example.com', '{member.added}', 'v1.secret')`,
        [randomUUID(), project],
      );
    const added = await Promise.allSettled(Array.from({ length: 40 }, add));
    const refused = added.flatMap((result) =>
      result.status === 'rejected' ? [result.reason.constraint] : [],
    );
    expect(new Set(refused)).toEqual(new Set(['webhook_endpoints_per_project']));
    const { rows } = await migrator.query(
      'SELECT count(*)::int FROM webhook_endpoints WHERE project_id = $1',
      [project],
    );
    expect(rows).toEqual([{ count: 20 }]);
  });

  it('the service itself sees no webhook but what it takes to deliver', async () => {
    await expect(service.query('SELECT id FROM public.webhook_endpoints')).rejects.toThrow(
      'permission denied',
    );
    await expect(service.query('SELECT id FROM public.webhook_deliveries')).rejects.toThrow(
      'permission denied',
    );
  });
});

it('of the messages that wait for a webhook 1,000 are kept: the one that is due first fails', async () => {
  await migrator.query('DELETE FROM webhook_deliveries WHERE endpoint_id = $1', [endpoint]);
  await migrator.query(
    `INSERT INTO webhook_deliveries (endpoint_id, event_type, payload, next_attempt_at)
     SELECT $1, 'member.added', to_jsonb(number), now() - interval '1 day' + number * interval '1 second'
     FROM generate_series(1, 1005) AS number`,
    [endpoint],
  );
  const { rows } = await migrator.query(
    `SELECT state, count(*)::integer, max(payload::integer) AS last FROM webhook_deliveries
     WHERE endpoint_id = $1 GROUP BY state ORDER BY state`,
    [endpoint],
  );
  expect(rows).toEqual([
    { state: 'failed', count: 5, last: 5 },
    { state: 'pending', count: 1_000, last: 1_005 },
  ]);
  await migrator.query('DELETE FROM webhook_deliveries WHERE endpoint_id = $1', [endpoint]);
});
