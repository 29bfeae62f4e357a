import { randomUUID } from 'node:crypto';
import { getQueueToken } from '@nestjs/bullmq';
import type { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../database/test/support/database.js';
import { TASKS_QUEUE } from '../../src/queue/tasks.queue.js';
import { startService, type TestService } from '../support/service.js';
import { type Client, createProject, createTask, registerTenant } from '../support/tenants.js';

let database: TestDatabase;
let service: TestService;
let queue: Queue;
let ada: Client;
let grace: Client;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  queue = service.app.get<Queue>(getQueueToken(TASKS_QUEUE));
  [ada, grace] = await Promise.all([registerTenant(service), registerTenant(service)]);
});

afterAll(async () => {
  await queue?.obliterate({ force: true });
  await service?.stop();
  await database?.drop();
});

const eventually = <Result>(check: () => Promise<Result>) =>
  vi.waitFor(check, { timeout: 15_000, interval: 20 });

/** What the owner sees on behalf of a tenant. */
async function rows(client: Client, sql: string): Promise<Record<string, unknown>[]> {
  const connection = await database.owner.connect();
  try {
    await connection.query('BEGIN');
    await connection.query(`SELECT set_config('app.tenant_id', $1, true)`, [client.tenantId]);
    return (await connection.query(sql)).rows;
  } finally {
    await connection.query('ROLLBACK');
    connection.release();
  }
}

describe('an export', () => {
  it('is asked for in a request and made by a job', async () => {
    const projectId = await createProject(ada);
    const taskId = await createTask(ada, projectId, { metadata: { sprint: 3 } });
    const asked = await ada.post(`/projects/${projectId}/exports`, {});
    expect([asked.status, asked.body.status, asked.body.content]).toEqual([202, 'waiting', null]);
    const location = asked.headers.get('location') ?? '';
    await eventually(async () => expect((await ada.get(location)).body.status).toBe('done'));
    const { body } = await ada.get(location);
    expect(body.content.project.id).toBe(projectId);
    expect(body.content.tasks).toMatchObject([{ id: taskId, metadata: { sprint: 3 } }]);
    expect((await grace.get(location)).status).toBe(404);
  });

  it('of another tenant’s project cannot be asked for', async () => {
    const projectId = await createProject(grace);
    expect((await ada.post(`/projects/${projectId}/exports`, {})).status).toBe(404);
  });

  it('is made once, though its job runs twice', async () => {
    const projectId = await createProject(ada);
    const { body } = await ada.post(`/projects/${projectId}/exports`, {});
    await eventually(async () => expect((await ada.get(`/exports/${body.id}`)).body.status).toBe('done'));
    const { body: first } = await ada.get(`/exports/${body.id}`);
    await createTask(ada, projectId);
    const job = await queue.add('exportProject', { tenantId: ada.tenantId, exportId: body.id });
    await eventually(async () => expect(await job.getState()).toBe('completed'));
    expect((await ada.get(`/exports/${body.id}`)).body).toEqual(first);
  });
});

describe('a job', () => {
  it.each([
    ['without a tenant', { exportId: randomUUID() }],
    ['with a tenant that is none', { tenantId: 'x', exportId: randomUUID() }],
    ['with more than its contract names', { tenantId: randomUUID(), exportId: randomUUID(), role: 'owner' }],
  ])('%s is refused at once, and kept', async (_how, data) => {
    const job = await queue.add('exportProject', data, { attempts: 5 });
    await eventually(async () => expect(await job.getState()).toBe('failed'));
    const { attemptsMade } = (await queue.getJob(job.id ?? '')) ?? {};
    expect(attemptsMade).toBe(1);
  });

  it('touches only the rows of its tenant', async () => {
    const projectId = await createProject(grace);
    const id = randomUUID();
    const connection = await database.owner.connect();
    await connection.query('BEGIN');
    await connection.query(`SELECT set_config('app.tenant_id', $1, true)`, [grace.tenantId]);
    await connection.query(
      `INSERT INTO exports (tenant_id, id, project_id, status) VALUES ($1, $2, $3, 'waiting')`,
      [grace.tenantId, id, projectId],
    );
    await connection.query('COMMIT');
    connection.release();
    const job = await queue.add('exportProject', { tenantId: ada.tenantId, exportId: id });
    await eventually(async () => expect(await job.getState()).toBe('completed'));
    expect((await grace.get(`/exports/${id}`)).body.status).toBe('waiting');
  });
});

describe('a reminder', () => {
  const given = (client: Client, taskId: string) =>
    rows(client, `SELECT due_at FROM reminders WHERE task_id = '${taskId}'`);

  it('is given when a task is due, once', async () => {
    const projectId = await createProject(ada);
    const dueAt = new Date(Date.now() + 300).toISOString();
    const taskId = await createTask(ada, projectId, { dueAt });
    await eventually(async () => expect(await given(ada, taskId)).toHaveLength(1));
    const job = await queue.add('remindOfTask', { tenantId: ada.tenantId, taskId, dueAt });
    await eventually(async () => expect(await job.getState()).toBe('completed'));
    expect(await given(ada, taskId)).toHaveLength(1);
  });

  it('is not given for a task that is done, or due later by now', async () => {
    const projectId = await createProject(ada);
    const soon = () => new Date(Date.now() + 1_000).toISOString();
    const [done, moved] = [
      await createTask(ada, projectId, { dueAt: soon() }),
      await createTask(ada, projectId, { dueAt: soon() }),
    ];
    await ada.patch(`/tasks/${done}`, { status: 'done' }, 1);
    await ada.patch(`/tasks/${moved}`, { dueAt: '2950-01-01T00:00:00Z' }, 1);
    await eventually(async () => {
      const jobs = await queue.getJobs(['completed']);
      const ids = jobs.filter(({ name }) => name === 'remindOfTask').map(({ data }) => data.taskId);
      expect(ids).toEqual(expect.arrayContaining([done, moved]));
    });
    expect([await given(ada, done), await given(ada, moved)]).toEqual([[], []]);
  });
});
