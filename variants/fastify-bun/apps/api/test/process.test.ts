import { afterAll, beforeAll, describe, expect, it } from 'bun:test';
import { freePort } from '../../../scripts/services/processes.mjs';
import { createDatabase, type TestDatabase } from './support/database.js';
import { openEvents } from './support/events.js';
import { gateways, startChat } from './support/providers.js';
import { httpClient, settings } from './support/service.js';
import { startUpstream } from './support/upstream.js';
import { signUp } from './support/users.js';
import { waitFor } from './support/wait.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

const ENTRY = new URL('../src/index.ts', import.meta.url).pathname;

/** The service as a process of its own. */
function start(changes: Record<string, string>) {
  const env = { PATH: process.env.PATH, ...settings(database), HOST: '127.0.0.1', ...changes };
  // A folder without .env, which Bun would read.
  return Bun.spawn([process.execPath, ENTRY], { env, cwd: '/tmp', stdout: 'pipe', stderr: 'pipe' });
}

async function whenReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (
      await fetch(`${url}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await Bun.sleep(20);
  }
  throw new Error('the service did not become ready');
}

describe('the process', () => {
  it('answers what it has accepted when it is told to stop, and ends with code 0', async () => {
    const port = await freePort();
    const patient = { DATABASE_LOCK_TIMEOUT_MS: '30000', DATABASE_STATEMENT_TIMEOUT_MS: '30000' };
    const child = start({
      PORT: String(port),
      SHUTDOWN_DRAIN_MS: '2000',
      REQUEST_TIMEOUT_MS: '30000',
      ...patient,
    });
    const url = `http://127.0.0.1:${port}`;
    await whenReady(url);

    // Requests that wait for a lock, as long as this test wants.
    const lock = await database.owner.connect();
    await lock.query('BEGIN; LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE');
    const signUp = () =>
      fetch(`${url}/api/auth/sign-up/email`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          name: 'Ada',
          email: `${crypto.randomUUID()}@example.com`,
          password: 'correct horse battery',
        }),
      }).then(({ status }) => status);
    const underWay = Array.from({ length: 10 }, signUp);
    await waitFor(async () => {
      const { rows } = await lock.query('SELECT count(*)::int AS waiting FROM pg_locks WHERE NOT granted');
      return rows[0].waiting === underWay.length;
    });

    child.kill('SIGTERM');
    const readiness = await waitFor(async () => {
      const answer = await fetch(`${url}/health/ready`);
      return answer.status === 503 && ((await answer.json()) as { status: string }).status;
    });
    expect(readiness).toBe('shutting_down');
    await lock.query('COMMIT');
    lock.release();
    expect(await Promise.all(underWay)).toEqual(underWay.map(() => 200));
    expect(await child.exited).toBe(0);
  });

  it('has answers that take longer stopped and kept, and their streams ended in order', async () => {
    const upstream = startUpstream();
    upstream.usual = { chunks: Array.from({ length: 2_000 }, (_, index) => `w${index} `), delayMs: 10 };
    const port = await freePort();
    const child = start({ PORT: String(port), ...gateways(upstream) });
    const service = httpClient(`http://127.0.0.1:${port}`);
    try {
      await whenReady(service.url);
      const ada = await signUp(service);
      const chat = await startChat(service, upstream, ada);
      const events = await openEvents(service, ada, `/chats/${chat.id}/messages`, {
        body: { content: 'Hello?', stream: true },
      });
      await events.until(({ data }) => data.type === 'text-delta');
      child.kill('SIGTERM');
      const rest = await events.rest();
      expect(rest.slice(-2).map(({ data }) => data.type ?? data)).toEqual(['abort', '[DONE]']);
      expect(await child.exited).toBe(0);
      const { rows } = await database.owner.query(
        `SELECT status, text FROM messages WHERE role = 'assistant'`,
      );
      expect(rows).toEqual([{ status: 'stopped', text: expect.stringMatching(/^w0 w1 w2 /) }]);
      expect(upstream.aborted.count).toBe(1);
    } finally {
      child.kill('SIGKILL');
      await upstream.stop();
    }
  });

  it('does not start with settings that are missing or wrong, and names all of them', async () => {
    const child = start({ DATABASE_URL: '', AUTH_SECRET: 'short', ENCRYPTION_KEYS: 'short', PORT: 'x' });
    expect(await child.exited).toBe(1);
    const text = await new Response(child.stderr).text();
    for (const name of ['DATABASE_URL', 'AUTH_SECRET', 'ENCRYPTION_KEYS', 'PORT'])
      expect(text).toContain(`- ${name}`);
  });

  it('does not start in production with secrets made for development, or without a way to send mails', async () => {
    const development = {
      NODE_ENV: 'production',
      RATE_LIMIT_ENABLED: 'true',
      ENCRYPTION_KEYS: `${'c'.repeat(64)},dev_${'d'.repeat(64)}`,
    };
    const child = start({ ...development, SMTP_URL: 'smtp://localhost' });
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toContain(
      'ENCRYPTION_KEYS holds a secret made for development',
    );
    const mute = start({ NODE_ENV: 'production', RATE_LIMIT_ENABLED: 'true' });
    expect(await mute.exited).toBe(1);
    expect(await new Response(mute.stderr).text()).toContain('SMTP_URL');
  });
});
