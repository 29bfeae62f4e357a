import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { startService, type TestService } from './support/service.js';
import { type Client, createProject, createTask, registerTenant } from './support/tenants.js';

let database: TestDatabase;
let service: TestService;
let ada: Client;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  ada = await registerTenant(service);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const eventually = <Result>(check: () => Promise<Result>) =>
  vi.waitFor(check, { timeout: 15_000, interval: 20 });

/** How many events wait to be published; the owner is held to the policies, so it says for whom it looks. */
async function waiting(): Promise<number> {
  const client = await database.owner.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.relay', 'on', true)`);
    const { rows } = await client.query('SELECT count(*)::int AS count FROM outbox');
    return rows[0].count;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

const stats = async (client: Client, projectId: string) =>
  (await client.get(`/projects/${projectId}/stats`)).body;

describe('events', () => {
  it('have their effect, and leave the outbox', async () => {
    const projectId = await createProject(ada);
    const taskId = await createTask(ada, projectId);
    await createTask(ada, projectId);
    await ada.remove(`/tasks/${taskId}`, 1);
    await eventually(async () => {
      expect(await stats(ada, projectId)).toEqual({ projectId, tasksCreated: 2, tasksDeleted: 1 });
      expect(await waiting()).toBe(0);
    });
  });

  it('of what was rolled back do not exist', async () => {
    const projectId = await createProject(ada);
    const other = await createProject(ada);
    await database.owner.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no events' USING ERRCODE = '23514'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.event->>'type' = 'task.created.v1') EXECUTE FUNCTION refuse()`);
    const refused = await ada.post('/tasks', { projectId, title: 'x', type: 'bug' });
    await database.owner.query('DROP TRIGGER refuse ON outbox');
    expect(refused.status).toBe(409);
    expect((await ada.get(`/tasks?projectId=${projectId}`)).body.data).toEqual([]);
    await createTask(ada, other);
    await eventually(async () => expect(await stats(ada, other)).toMatchObject({ tasksCreated: 1 }));
    expect(await stats(ada, projectId)).toMatchObject({ tasksCreated: 0 });
  });

  it('are counted once each when 300 come through two processes', async () => {
    const second = await startService(database);
    const projectId = await createProject(ada);
    const authorization = `Bearer ${ada.accessToken}`;
    const task = { projectId, title: 'A task', type: 'chore' };
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        (index % 2 === 0 ? service : second).post('/tasks', task, { authorization }),
      ),
    );
    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    await eventually(async () => {
      expect(await waiting()).toBe(0);
      expect(await stats(ada, projectId)).toEqual({ projectId, tasksCreated: 300, tasksDeleted: 0 });
    });
    await second.stop();
    expect(await stats(ada, projectId)).toMatchObject({ tasksCreated: 300 });
  });

  it('that were written while no relay ran are published by the next one', async () => {
    const projectId = await createProject(ada);
    const client = await database.owner.connect();
    await client.query('BEGIN');
    // Whoever holds this lock stands for a relay that is dead and not yet known to be.
    await client.query('LOCK TABLE outbox IN SHARE MODE');
    const writing = createTask(ada, projectId);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.query('ROLLBACK');
    client.release();
    await writing;
    await eventually(async () => expect(await stats(ada, projectId)).toMatchObject({ tasksCreated: 1 }));
  });
});
