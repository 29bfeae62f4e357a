import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { call, newProject, newUser, type TestUser } from '../support/api';

let owner: TestUser;
let project: { id: string };
beforeAll(async () => {
  owner = await newUser();
  project = await newProject(owner);
});

const record = (body: object, { user = owner, key }: { user?: TestUser; key?: string } = {}) =>
  call('POST', `/api/v1/projects/${project.id}/usage`, {
    token: user.token,
    body,
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });

const counted = async () => {
  const today = new Date().toISOString().slice(0, 10);
  const { body } = await call('GET', `/api/v1/analytics/usage?startDate=${today}&endDate=${today}`, {
    token: owner.token,
  });
  return body.data.find(({ eventType }: { eventType: string }) => eventType === 'custom.export')?.count ?? 0;
};

describe('usage that clients record', () => {
  it('is counted once for each key, however often it is sent', async () => {
    const before = await counted();
    const key = randomUUID();
    const first = await record({ eventType: 'custom.export', metadata: { rows: 3 } }, { key });
    const again = await record({ eventType: 'custom.export', metadata: { rows: 3 } }, { key });
    expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([
      201,
      201,
      'true',
    ]);
    expect(again.body).toEqual(first.body);
    expect(first.body.data).toMatchObject({ projectId: project.id, metadata: { rows: 3 } });
    expect(await counted()).toBe(before + 1);
    const other = await record({ eventType: 'custom.import' }, { key });
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
  });

  it.each(['project.created', 'custom.', 'custom.A', `custom.${'a'.repeat(44)}`])(
    'is not %s',
    async (eventType) => {
      expect((await record({ eventType })).body.code).toBe('VALIDATION_FAILED');
    },
  );

  it('is refused from a viewer, and answered to strangers as if there were no project', async () => {
    const viewer = await newUser();
    const body = { eventType: 'custom.export' };
    expect((await record(body, { user: viewer })).body.code).toBe('PROJECT_NOT_FOUND');
    await call('POST', `/api/v1/projects/${project.id}/members`, {
      token: owner.token,
      body: { userId: viewer.id },
    });
    expect((await record(body, { user: viewer })).body.code).toBe('FORBIDDEN');
  });
});
