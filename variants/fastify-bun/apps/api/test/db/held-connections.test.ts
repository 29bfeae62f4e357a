import { afterAll, beforeAll, expect, it } from 'bun:test';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { waitsInTransactions } from '../support/held-connections.js';
import { startService, type TestService } from '../support/service.js';
import { PASSWORD, signUp } from '../support/users.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

it('a call to another server inside a transaction fails the test', async () => {
  const service = await startService(database);
  try {
    await service.app.db.transaction(async () => {
      await fetch(`${service.url}/health/live`);
      await service.app.valkey.ping();
      await Bun.password.hash('x');
    });
    expect(waitsInTransactions.map((wait) => wait.split('\n')[0])).toEqual(
      expect.arrayContaining(['fetch', 'sendCommand', 'hash']),
    );
    waitsInTransactions.length = 0;
    await fetch(`${service.url}/health/live`);
    expect(waitsInTransactions).toEqual([]);
  } finally {
    await service.stop();
  }
});

it('a mail server that never responds leaves the pool to other users', async () => {
  const mute = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const open = await startService(database);
  let service: TestService | undefined;
  try {
    const ada = await signUp(open);
    service = await startService(database, {
      SMTP_URL: `smtp://127.0.0.1:${mute.port}`,
      DATABASE_POOL_MAX: '1',
      DATABASE_CONNECT_TIMEOUT_MS: '1000',
    });
    // Nobody waits for the mails.
    for (const name of ['a', 'b', 'c']) {
      const user = { name, email: `${name}@example.com`, password: PASSWORD };
      expect((await service.post('/api/auth/sign-up/email', user)).status).toBe(200);
    }
    for (let count = 0; count < 20; count++)
      expect((await service.get('/users/me', ada.auth)).status).toBe(200);
  } finally {
    await service?.stop();
    await open.stop();
    mute.stop(true);
  }
});
