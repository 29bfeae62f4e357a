import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

const PATH = '/admin/queues';
const PASSWORD = 'correct horse battery staple'; // pragma: allowlist secret

let stored: TestDatabase;
let service: TestService;

beforeAll(async () => {
  stored = await createDatabase();
  service = await startService(stored, { BULL_BOARD_PASSWORD: PASSWORD });
});

afterAll(async () => {
  await service.stop();
  await stored.drop();
});

const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

it('Bull Board is for who knows its password, and for no member of an organization', async () => {
  const owner = await newOwner(service);
  for (const headers of [
    {},
    basic('admin:wrong'),
    basic(`root:${PASSWORD}`),
    basic(''),
    { authorization: `Bearer ${owner.token}` },
  ]) {
    for (const path of [PATH, `${PATH}/api/queues`, `${PATH}/static/css/main.css`]) {
      const { status, headers: answered } = await service.get(path, headers as Record<string, string>);
      expect([status, answered.get('www-authenticate')]).toEqual([401, expect.stringContaining('Basic')]);
    }
  }
  const page = await fetch(service.url + PATH, { headers: basic(`admin:${PASSWORD}`) });
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('<div id="root">');
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
});

it('Bull Board shows the queues, and changes nothing', async () => {
  const { status, body } = await service.get(`${PATH}/api/queues`, basic(`admin:${PASSWORD}`));
  expect(status).toBe(200);
  expect(body.queues.map(({ name }: { name: string }) => name).sort()).toEqual(['sync', 'tracking-setup']);
  for (const queue of body.queues) expect(queue.readOnlyMode).toBe(true);
  const paused = await service.request(
    'PUT',
    `${PATH}/api/queues/sync/pause`,
    undefined,
    basic(`admin:${PASSWORD}`),
  );
  expect(paused.status).toBe(405);
});

it('without a password there is no Bull Board', async () => {
  const without = await startService(stored);
  try {
    expect((await without.get(PATH, basic(`admin:${PASSWORD}`))).status).toBe(404);
  } finally {
    await without.stop();
  }
});
