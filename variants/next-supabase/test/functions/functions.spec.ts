import type pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, it } from 'vitest';
import { newProject, newUser, type TestUser } from '../support/api';
import { connectOwner } from '../support/database';

const { SUPABASE_URL = '', SUPABASE_SECRET_KEY = '', RELAY_SECRET = '' } = process.env;

let owner: pg.Pool;
let user: TestUser;
let projectId: string;

beforeAll(async () => {
  owner = connectOwner();
  user = await newUser();
  projectId = (await newProject(user)).id;
  return () => owner.end();
});

async function send(path: string, headers: Record<string, string>, body = '{}', method = 'POST') {
  const response = await fetch(`${SUPABASE_URL}/functions/v1/${path}`, {
    method,
    headers,
    ...(method === 'POST' && { body }),
  });
  return { status: response.status, body: await response.json() };
}

describe('usage-rollup', () => {
  const rollUp = () => send('usage-rollup', { apikey: SUPABASE_SECRET_KEY });

  it('adds up the months, however often it is called', async () => {
    await owner.query(
      `INSERT INTO usage_metrics (user_id, event_type, created_at)
       SELECT $1, 'rollup.test', '2026-02-10T00:00:00Z'::timestamptz + day * interval '1 day' FROM generate_series(0, 29) AS day`,
      [user.id],
    );
    expect((await rollUp()).status).toBe(200);
    expect((await rollUp()).body.data).toMatchObject({ months: 0 });
    const { rows } = await owner.query(
      `SELECT month, events::int FROM usage_monthly WHERE user_id = $1 AND event_type = 'rollup.test' ORDER BY month`,
      [user.id],
    );
    expect(rows.map(({ events }) => events)).toEqual([19, 11]);
  });

  it('is for the secret key alone', async () => {
    const { SUPABASE_PUBLISHABLE_KEY = '' } = process.env;
    expect((await send('usage-rollup', { apikey: SUPABASE_PUBLISHABLE_KEY })).status).toBe(401);
    expect((await send('usage-rollup', {})).status).toBe(401);
  });
});

describe('webhook-relay', () => {
  const message = (type = 'deploy.finished') =>
    JSON.stringify({ type, timestamp: '2026-01-01T00:00:00Z', data: {} });
  const relay = (
    id: string,
    payload: string,
    { secret = RELAY_SECRET, at = new Date(), sent = payload } = {},
  ) =>
    send(
      `webhook-relay?project=${projectId}`,
      {
        'webhook-id': id,
        'webhook-timestamp': `${Math.floor(at.getTime() / 1_000)}`,
        'webhook-signature': new Webhook(secret).sign(id, at, payload),
      },
      sent,
    );

  async function recorded(): Promise<number> {
    const { rowCount } = await owner.query(
      `SELECT FROM usage_metrics WHERE project_id = $1 AND event_type = 'relay.deploy.finished'`,
      [projectId],
    );
    return rowCount ?? 0;
  }

  it('records a message once, however often and however many at once it comes', async () => {
    const id = `msg_${projectId}`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => relay(id, message())));
    expect(
      answers
        .map(({ body }) => body.data.outcome)
        .toSorted()
        .at(-1),
    ).toBe('recorded');
    expect(answers.filter(({ body }) => body.data.outcome === 'duplicate')).toHaveLength(9);
    expect(await recorded()).toBe(1);
  });

  it('refuses a bad signature, an old one, and a body that was written anew', async () => {
    const before = await recorded();
    const refused = { status: 400, body: { code: 'SIGNATURE_INVALID' } };
    expect(await relay('m1', message(), { secret: `whsec_${btoa('another')}` })).toMatchObject(refused);
    expect(await relay('m2', message(), { at: new Date(Date.now() - 301_000) })).toMatchObject(refused);
    expect(await relay('m3', message(), { sent: `${message()} ` })).toMatchObject(refused);
    expect(await recorded()).toBe(before);
  });

  it('takes nothing for a project that is not there, and no other method', async () => {
    const project = projectId;
    projectId = '00000000-0000-4000-8000-000000000000';
    expect(await relay('m4', message())).toMatchObject({ status: 404, body: { code: 'PROJECT_NOT_FOUND' } });
    projectId = project;
    expect((await send('webhook-relay', {}, '', 'GET')).status).toBe(405);
  });
});

it('a function that is not there is not found', async () => {
  expect((await send('nothing', { apikey: SUPABASE_SECRET_KEY })).status).toBe(404);
});
