import { afterAll, beforeAll, describe, expect, it } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startService, type TestService } from '../support/service.js';
import { signUp, type TestUser } from '../support/users.js';
import { waitFor } from '../support/wait.js';

let database: TestDatabase;
let service: TestService;
let other: TestService;
let ada: TestUser;
let chat: string;

beforeAll(async () => {
  database = await createDatabase();
  const settings = { DATABASE_POOL_MAX: '1', DATABASE_CONNECT_TIMEOUT_MS: '1000' };
  service = await startService(database, settings);
  other = await startService(database, settings);
  ada = await signUp(service);
  chat = (await service.post('/chats', { model: 'm' }, ada.auth)).body.id;
  await addMessages(45, 10);
});

afterAll(async () => {
  await service.stop();
  await other.stop();
  await database.drop();
});

/** Adds messages of a size to the chat. */
const addMessages = (count: number, characters: number) =>
  database.owner.query(
    `INSERT INTO messages (user_id, chat_id, id, role, parts, text, status)
     SELECT $1, $2, gen_random_uuid(), 'user',
            jsonb_build_array(jsonb_build_object('type', 'text', 'text', n || ' ' || repeat('x', $4))), '', 'complete'
       FROM generate_series(1, $3) n`,
    [ada.id, chat, count, characters],
  );

const download = (from = service) => from.get('/users/me/export', ada.auth);

/** A client that begins to read an export and then stops reading. */
async function stall(from = service) {
  const { hostname, port } = new URL(from.url);
  const client = connect(Number(port), hostname);
  client.write(
    `GET /users/me/export HTTP/1.1\r\nhost: localhost\r\nauthorization: ${ada.auth.authorization}\r\n\r\n`,
  );
  await once(client, 'data');
  client.pause();
  return client;
}

describe('an export', () => {
  it('has every row once, over several pages', async () => {
    const { status, headers, body } = await download();
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    const numbers = body.messages.map(({ parts }: { parts: { text: string }[] }) =>
      Number(parts[0]?.text.split(' ', 1)[0]),
    );
    expect(numbers.sort((a: number, b: number) => a - b)).toEqual(
      Array.from({ length: 45 }, (_, index) => index + 1),
    );
  });

  it('of a client that stops reading holds neither memory nor a connection, and is the only one', async () => {
    await addMessages(120, 400_000);
    const before = process.memoryUsage.rss();
    const client = await stall();
    try {
      for (let count = 0; count < 20; count++) {
        expect((await service.get('/users/me', ada.auth)).status).toBe(200);
        await Bun.sleep(20);
      }
      expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
      for (const process of [service, other]) {
        const { status, body, headers } = await download(process);
        expect([status, body.code]).toEqual([429, 'EXPORT_IN_PROGRESS']);
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      }
    } finally {
      client.destroy();
    }
    await waitFor(async () => (await download(other)).status === 200);
  });

  it('may take longer than other responses', async () => {
    const hurried = await startService(database, { REQUEST_TIMEOUT_MS: '2000' });
    const client = await stall(hurried);
    try {
      await Bun.sleep(3_000);
      let last = '';
      client.on('data', (bytes) => {
        last = (last + bytes.toString('latin1')).slice(-20);
      });
      client.resume();
      await waitFor(() => last.endsWith('\r\n0\r\n\r\n'));
    } finally {
      client.destroy();
      await hurried.stop();
    }
  });
});
