import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Database } from '../../src/database/database.js';
import { SCOPES } from '../../src/google/scopes.js';
import { GoogleConnectionsService } from '../../src/google-connections/google-connections.service.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { FakeGoogle } from '../support/fake-google.js';
import { anEmail, type Client, newMember, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';
import { SETTINGS } from '../support/settings.js';

const PATH = '/api/v1/connections';

let stored: TestDatabase;
let google: FakeGoogle;
let settings: Record<string, string>;
let service: TestService;
/** Another process of the same service. */
let other: TestService;
let owner: Client;

beforeAll(async () => {
  stored = await createDatabase();
});

beforeEach(async () => {
  google = new FakeGoogle();
  settings = {
    GOOGLE_BASE_URL: await google.start(),
    GOOGLE_CLIENT_ID: 'client',
    GOOGLE_CLIENT_SECRET: 'secret', // pragma: allowlist secret
    GOOGLE_REDIRECT_URI: 'https://app.example.com/google/callback',
  };
  [service, other] = [await startService(stored, settings), await startService(stored, settings)];
  owner = await newOwner(service);
});

afterEach(async () => {
  await service.stop();
  await other.stop();
  await google.stop();
});

afterAll(async () => {
  await stored.drop();
});

const begin = async (client: Client) =>
  (await client.post(`${PATH}/authorizations`, undefined)).body.authorizationUrl as string;

async function connect(client = owner, email = anEmail()): Promise<string> {
  const { status, body } = await client.post(PATH, google.agree(await begin(client), email));
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.id;
}

/** What a job of the organization would do. */
const accessToken = (id: string, process = service) =>
  process.app
    .get(Database)
    .run({ organizationId: owner.organizationId, userId: null }, () =>
      process.app.get(GoogleConnectionsService).accessToken(id),
    );

const expire = (id: string) =>
  stored.rows(
    owner.organizationId,
    `UPDATE google_connections SET expires_at = now() + interval '1 minute' WHERE id = $1`,
    [id],
  );

const row = async (id: string) =>
  (
    await stored.rows<Record<string, string>>(
      owner.organizationId,
      'SELECT * FROM google_connections WHERE id = $1',
      [id],
    )
  )[0];

describe('a Google account', () => {
  it('is connected by who may, with consent for as long as it lasts', async () => {
    const url = new URL(await begin(owner));
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      access_type: 'offline',
      redirect_uri: settings.GOOGLE_REDIRECT_URI,
      response_type: 'code',
      scope: SCOPES.join(' '),
    });
    const email = anEmail();
    const { status, body } = await owner.post(PATH, google.agree(url.href, email));
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      googleEmail: email,
      scopes: expect.arrayContaining(['email']),
      status: 'CONNECTED',
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      createdBy: owner.userId,
    });
    expect((await owner.get(PATH)).body.data).toEqual([body]);
    const member = await newMember(service, owner, 'MEMBER');
    expect((await member.post(`${PATH}/authorizations`, undefined)).status).toBe(403);
    const stranger = await newOwner(service);
    expect((await stranger.get(`${PATH}/${body.id}`)).status).toBe(404);
    expect((await stranger.remove(`${PATH}/${body.id}`)).status).toBe(404);
  });

  it('is stored with its tokens encrypted', async () => {
    const id = await connect();
    const { access_token: access, refresh_token: refresh } = (await row(id)) ?? {};
    for (const message of [access, refresh])
      expect(message).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(await accessToken(id)).toMatch(/^canary-access-/);
  });

  it('is connected once, and again with new tokens', async () => {
    const email = anEmail();
    const id = await connect(owner, email);
    const before = await row(id);
    expect(await connect(owner, email)).toBe(id);
    expect((await row(id))?.refresh_token).not.toBe(before?.refresh_token);
    expect((await owner.get(PATH)).body.data.length).toBe(1);
  });

  it.each<[string, () => Promise<{ client: Client; state: string; code: string }>]>([
    [
      'an unknown state',
      async () => ({ client: owner, ...google.agree(await begin(owner), 'a@b.c'), state: 'no' }),
    ],
    [
      'a code that Google does not know',
      async () => ({ client: owner, ...google.agree(await begin(owner), 'a@b.c'), code: 'no' }),
    ],
    [
      'a code that was given for another state',
      async () => {
        const { code } = google.agree(await begin(owner), 'a@b.c');
        return { client: owner, state: google.agree(await begin(owner), 'a@b.c').state, code };
      },
    ],
    [
      'the state of another user of the organization',
      async () => ({
        client: await newMember(service, owner, 'ADMIN'),
        ...google.agree(await begin(owner), 'a@b.c'),
      }),
    ],
    [
      'the state of another organization',
      async () => ({ client: await newOwner(service), ...google.agree(await begin(owner), 'a@b.c') }),
    ],
  ])('is not connected with %s', async (_what, prepare) => {
    const { client, state, code } = await prepare();
    const { status, body } = await client.post(PATH, { state, code });
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'AUTHORIZATION_FAILED' });
    expect((await owner.get(PATH)).body.data).toEqual([]);
  });

  it('is connected by a state once', async () => {
    const begun = await begin(owner);
    expect((await owner.post(PATH, google.agree(begun, anEmail()))).status).toBe(201);
    // Another code of Google, which is good: only the state was used before.
    const asked = google.count('/token');
    expect((await owner.post(PATH, google.agree(begun, anEmail()))).body.code).toBe('AUTHORIZATION_FAILED');
    expect(google.count('/token')).toBe(asked);
  });

  it('is disconnected at Google and here; then it can be connected anew', async () => {
    const email = anEmail();
    const id = await connect(owner, email);
    expect((await owner.remove(`${PATH}/${id}`)).status).toBe(204);
    expect(google.revoked.size).toBe(1);
    expect((await owner.get(`${PATH}/${id}`)).status).toBe(404);
    expect(await row(id)).toMatchObject({ access_token: null, refresh_token: null, status: 'DISCONNECTED' });
    expect(await connect(owner, email)).not.toBe(id);
  });

  it('stays connected where Google cannot be told', async () => {
    const id = await connect();
    google.faults.set(
      '/revoke',
      Array.from({ length: 9 }, () => ({ status: 503 })),
    );
    const { status, body } = await owner.remove(`${PATH}/${id}`);
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'GOOGLE_UNAVAILABLE' });
    expect((await owner.get(`${PATH}/${id}`)).body.status).toBe('CONNECTED');
  });
});

describe('an access token', () => {
  it('is renewed ahead of its end, and used as long as it lasts', async () => {
    const id = await connect();
    const first = await accessToken(id);
    expect(await accessToken(id)).toBe(first);
    expect(google.count('/token')).toBe(1);
    await expire(id);
    const second = await accessToken(id);
    expect(second).not.toBe(first);
    expect(await accessToken(id, other)).toBe(second);
    expect(google.count('/token')).toBe(2);
  });

  it('is renewed by one call, however many need it in two processes', async () => {
    const id = await connect();
    await expire(id);
    google.latencyMs = 300;
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, index) => accessToken(id, index % 2 === 0 ? service : other)),
    );
    expect(new Set(tokens).size).toBe(1);
    expect(google.count('/token')).toBe(2);
  });

  it('is renewed without a connection of the pool', async () => {
    const small = await startService(stored, {
      ...settings,
      DATABASE_POOL_MAX: '2',
      DATABASE_CONNECT_TIMEOUT_MS: '500',
      WORKER_IN_API: 'false',
    });
    try {
      const ids = [];
      for (let count = 0; count < 5; count += 1) ids.push(await connect());
      for (const id of ids) await expire(id);
      const stranger = await newOwner(small);
      google.latencyMs = 1_500;
      const renewals = Promise.all(ids.map((id) => accessToken(id, small)));
      await eventually(async () => expect(google.count('/token')).toBe(10));
      expect((await stranger.get('/api/v1/customers')).status).toBe(200);
      expect((await renewals).length).toBe(5);
    } finally {
      await small.stop();
    }
  });

  it('is renewed by another process when the one that began has died', async () => {
    const id = await connect();
    await expire(id);
    await stored.rows(
      owner.organizationId,
      `UPDATE google_connections SET renewal_id = gen_random_uuid(), renewal_ends_at = now() + interval '1 second'
        WHERE id = $1`,
      [id],
    );
    const start = performance.now();
    expect(await accessToken(id)).toMatch(/^canary-access-/);
    expect(performance.now() - start).toBeGreaterThan(800);
    expect(await row(id)).toMatchObject({ renewal_id: null, renewal_ends_at: null });
  });

  it('that a renewal brings too late replaces no newer one', async () => {
    const id = await connect();
    await expire(id);
    google.latencyMs = 500;
    const late = accessToken(id);
    await eventually(async () => expect(google.count('/token')).toBe(2));
    await stored.rows(
      owner.organizationId,
      `UPDATE google_connections SET renewal_id = gen_random_uuid() WHERE id = $1`,
      [id],
    );
    const before = await row(id);
    await late;
    expect((await row(id))?.access_token).toBe(before?.access_token);
  });

  it('is asked for by the next caller after a failure', async () => {
    const id = await connect();
    await expire(id);
    google.faults.set('/token', [{ status: 400, body: { error: 'invalid_client' } }]);
    await expect(accessToken(id)).rejects.toMatchObject({ code: 'GOOGLE_UNAVAILABLE' });
    expect(await row(id)).toMatchObject({ renewal_id: null });
    expect(await accessToken(id, other)).toMatch(/^canary-access-/);
  });

  it('is asked for again where Google fails for a moment', async () => {
    const id = await connect();
    await expire(id);
    google.faults.set('/token', [{ status: 503 }, { status: 429 }]);
    expect(await accessToken(id)).toMatch(/^canary-access-/);
    expect(google.count('/token')).toBe(4);
  });

  it('is not asked for again where the user has taken the access away: they are told to connect again', async () => {
    const id = await connect();
    await expire(id);
    google.faults.set('/token', [{ status: 400, body: { error: 'invalid_grant' } }]);
    await expect(accessToken(id)).rejects.toMatchObject({ code: 'RECONNECT_REQUIRED' });
    await expect(accessToken(id, other)).rejects.toMatchObject({ code: 'RECONNECT_REQUIRED' });
    expect(google.count('/token')).toBe(2);
    expect((await owner.get(`${PATH}/${id}`)).body.status).toBe('RECONNECT_REQUIRED');
    const { body } = await owner.get(`/api/v1/audit-log?entityId=${id}`);
    expect(body.data[0].action).toBe('connection.reconnect-required');
  });

  it('is asked for again where the refused one was replaced meanwhile', async () => {
    const id = await connect();
    await expire(id);
    google.latencyMs = 500;
    google.faults.set('/token', [{ status: 400, body: { error: 'invalid_grant' } }]);
    const late = accessToken(id);
    await eventually(async () => expect(google.count('/token')).toBe(2));
    // As connecting the account again does.
    await stored.rows(
      owner.organizationId,
      `UPDATE google_connections SET renewal_id = NULL, renewal_ends_at = NULL WHERE id = $1`,
      [id],
    );
    expect(await late).toMatch(/^canary-access-/);
    expect((await owner.get(`${PATH}/${id}`)).body.status).toBe('CONNECTED');
  });

  it('is not asked for without a refresh token, and no renewal is begun', async () => {
    const id = await connect();
    await expire(id);
    const sql = 'UPDATE google_connections SET refresh_token = NULL WHERE id = $1';
    await stored.rows(owner.organizationId, sql, [id]);
    await expect(accessToken(id)).rejects.toMatchObject({ code: 'RECONNECT_REQUIRED' });
    expect(await row(id)).toMatchObject({ renewal_id: null });
  });

  it('of a row that was copied from another does not decrypt', async () => {
    const [one, another] = [await connect(), await connect()];
    await stored.rows(
      owner.organizationId,
      `UPDATE google_connections SET access_token = (SELECT access_token FROM google_connections WHERE id = $1) WHERE id = $2`,
      [one, another],
    );
    await expect(accessToken(another)).rejects.toThrow('belongs to another place');
  });

  it('stays readable when the key changes, and is stored under the new key when it is read', async () => {
    const id = await connect();
    const keyIds = async () => {
      const { access_token: access, refresh_token: refresh } = (await row(id)) ?? {};
      return [access, refresh].map((message) => message?.split('.')[1]);
    };
    const [old] = await keyIds();
    const token = await accessToken(id);
    const keys = ['d4'.repeat(32), SETTINGS.ENCRYPTION_KEYS].join();
    const rotated = await startService(stored, { ...settings, ENCRYPTION_KEYS: keys });
    try {
      expect(await accessToken(id, rotated)).toBe(token);
      const [fresh, ...others] = await keyIds();
      expect(fresh).not.toBe(old);
      expect(others).toEqual([fresh]);
      expect(await accessToken(id, rotated)).toBe(token);
      await expect(accessToken(id)).rejects.toThrow('is not in the key ring');
    } finally {
      await rotated.stop();
    }
  });
});

it('without a client at Google, the service says that it has none', async () => {
  const none = { GOOGLE_CLIENT_ID: '', GOOGLE_CLIENT_SECRET: '', GOOGLE_REDIRECT_URI: '' };
  const without = await startService(stored, none);
  try {
    const authorization = { authorization: `Bearer ${owner.token}` };
    const { status, body } = await without.post(`${PATH}/authorizations`, undefined, authorization);
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'GOOGLE_NOT_CONFIGURED' });
  } finally {
    await without.stop();
  }
});
