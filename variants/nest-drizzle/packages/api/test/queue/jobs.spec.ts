import { randomUUID } from 'node:crypto';
import { getQueueToken } from '@nestjs/bullmq';
import type { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../database/test/support/database.js';
import { ExpiryJob } from '../../src/common/database/expiry.job.js';
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
  service = await startService(database, { EXPORT_MAX_BYTES: '1000000' });
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

  /** Adds tasks by SQL, ten to a moment, each with so many bytes of metadata. */
  const addTasks = async (projectId: string, count: number, bytes: number) => {
    await rows(
      ada,
      `INSERT INTO tasks (tenant_id, id, project_id, title, type, status, metadata, created_at)
       SELECT '${ada.tenantId}', gen_random_uuid(), '${projectId}', 'Task ' || n, 'chore', 'open',
              jsonb_build_object('x', repeat('x', ${bytes})), now() + (n / 10) * interval '1 millisecond'
         FROM generate_series(1, ${count}) AS n; COMMIT; BEGIN`,
    );
  };

  it('has every task of a large project once, in order', async () => {
    const projectId = await createProject(ada);
    await addTasks(projectId, 1_203, 1);
    const { body } = await ada.post(`/projects/${projectId}/exports`, {});
    await eventually(async () => expect((await ada.get(`/exports/${body.id}`)).body.status).toBe('done'));
    const { tasks } = (await ada.get(`/exports/${body.id}`)).body.content;
    expect(new Set(tasks.map(({ id }: { id: string }) => id)).size).toBe(1_203);
    expect(tasks).toHaveLength(1_203);
    const times = tasks.map(({ createdAt }: { createdAt: string }) => createdAt);
    expect(times).toEqual([...times].sort());
  });

  it('fails if the project is larger than an export may be', async () => {
    const projectId = await createProject(ada);
    await addTasks(projectId, 300, 4_000);
    const { body } = await ada.post(`/projects/${projectId}/exports`, {});
    await eventually(async () => expect((await ada.get(`/exports/${body.id}`)).body.status).toBe('failed'));
    const { content, error } = (await ada.get(`/exports/${body.id}`)).body;
    expect([content, error]).toEqual([null, 'The export is larger than 1000000 bytes.']);
  });

  it('that waits is returned again, instead of another one', async () => {
    const projectId = await createProject(ada);
    await queue.pause();
    const ask = async () => (await ada.post(`/projects/${projectId}/exports`, {})).body.id;
    const [first, second] = [await ask(), await ask()];
    await queue.resume();
    expect(second).toBe(first);
    await eventually(async () => expect((await ada.get(`/exports/${first}`)).body.status).toBe('done'));
    expect(await ask()).not.toBe(first);
  });

  it('is made once for parallel requests', async () => {
    const projectId = await createProject(ada);
    await queue.pause();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ada.post(`/projects/${projectId}/exports`, {})),
    );
    await queue.resume();
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  it('that a job is making is not returned for another request', async () => {
    const projectId = await createProject(ada);
    await queue.pause();
    const ask = async () => (await ada.post(`/projects/${projectId}/exports`, {})).body.id;
    const first = await ask();
    const job = await database.owner.connect();
    await job.query('BEGIN');
    await job.query(`SELECT set_config('app.tenant_id', $1, true)`, [ada.tenantId]);
    await job.query('SELECT FROM exports WHERE id = $1 FOR UPDATE', [first]);
    const second = await ask();
    await job.query('ROLLBACK');
    job.release();
    await queue.resume();
    expect(second).not.toBe(first);
  });

  it('whose job has failed for the last time has failed', async () => {
    const projectId = await createProject(ada);
    const { body } = await queue.pause().then(() => ada.post(`/projects/${projectId}/exports`, {}));
    const job = await eventually(async () => {
      const found = await queue.getJob(`exportProject-${body.id}`);
      expect(found).toBeDefined();
      return found;
    });
    await job?.remove();
    await database.owner.query(
      `ALTER TABLE exports ADD CONSTRAINT no_export CHECK (status <> 'done') NOT VALID`,
    );
    await queue.add('exportProject', { tenantId: ada.tenantId, exportId: body.id }, { attempts: 1 });
    await queue.resume();
    await eventually(async () => expect((await ada.get(`/exports/${body.id}`)).body.status).toBe('failed'));
    await database.owner.query('ALTER TABLE exports DROP CONSTRAINT no_export');
    expect((await ada.get(`/exports/${body.id}`)).body.error).toBe(
      'The export could not be made. Request another one.',
    );
  });

  it('that fails leaves nothing in the queue that users have written', async () => {
    const projectId = await createProject(ada);
    await createTask(ada, projectId, { title: 'canary-title', metadata: { 'canary-key': 'canary-value' } });
    await database.owner.query(
      `ALTER TABLE exports ADD CONSTRAINT no_export CHECK (status <> 'done') NOT VALID`,
    );
    const { body } = await ada.post(`/projects/${projectId}/exports`, {});
    const job = await eventually(async () => {
      const found = await queue.getJob(`exportProject-${body.id}`);
      expect(found?.failedReason).toBeTruthy();
      return found;
    });
    await database.owner.query('ALTER TABLE exports DROP CONSTRAINT no_export');
    expect(job?.failedReason).toContain('Failed query: update "exports"');
    expect(job?.failedReason).toContain('violates check constraint "no_export"');
    expect(job?.stacktrace?.[0]).toContain('exports.service');
    expect(JSON.stringify([job?.failedReason, job?.stacktrace])).not.toMatch(/canary|params/);
    await eventually(async () => expect((await ada.get(`/exports/${body.id}`)).body.status).toBe('done'));
  });

  it('is deleted when it has expired', async () => {
    const projectId = await createProject(ada);
    const { body } = await ada.post(`/projects/${projectId}/exports`, {});
    const path = `/exports/${body.id}`;
    await eventually(async () => expect((await ada.get(path)).body.status).toBe('done'));
    await rows(
      ada,
      `UPDATE exports SET created_at = now() - interval '31 days' WHERE id = '${body.id}'; COMMIT; BEGIN`,
    );
    await service.app.get(ExpiryJob, { strict: false }).forget();
    expect((await ada.get(path)).status).toBe(404);
  });

  it('of another tenant’s project cannot be asked for', async () => {
    const projectId = await createProject(grace);
    expect((await ada.post(`/projects/${projectId}/exports`, {})).status).toBe(404);
  });

  it('of a deleted project is gone, and is made when the project is restored', async () => {
    const projectId = await createProject(ada);
    await createTask(ada, projectId);
    const { body: made } = await ada.post(`/projects/${projectId}/exports`, {});
    await eventually(async () => expect((await ada.get(`/exports/${made.id}`)).body.status).toBe('done'));
    await queue.pause();
    const { body: waiting } = await ada.post(`/projects/${projectId}/exports`, {});
    const jobId = `exportProject-${waiting.id}`;
    await eventually(async () => expect(await queue.getJob(jobId)).toBeDefined());
    await ada.remove(`/projects/${projectId}`, 1);
    await queue.resume();
    await eventually(async () => expect(await queue.getJobState(jobId)).toBe('completed'));
    for (const { id } of [made, waiting]) expect((await ada.get(`/exports/${id}`)).status).toBe(404);

    await ada.post(`/projects/${projectId}/restore`, undefined);
    expect((await ada.get(`/exports/${made.id}`)).body.content.tasks).toHaveLength(1);
    await eventually(async () => expect((await ada.get(`/exports/${waiting.id}`)).body.status).toBe('done'));
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

  it('of a deleted project’s task is given when the project is restored', async () => {
    const projectId = await createProject(ada);
    const dueAt = new Date(Date.now() + 500);
    const taskId = await createTask(ada, projectId, { dueAt: dueAt.toISOString() });
    await ada.remove(`/projects/${projectId}`, 1);
    const jobId = `remindOfTask-${taskId}-${dueAt.getTime()}`;
    await eventually(async () => expect(await queue.getJobState(jobId)).toBe('completed'));
    expect(await given(ada, taskId)).toEqual([]);
    await ada.post(`/projects/${projectId}/restore`, undefined);
    await eventually(async () => expect(await given(ada, taskId)).toHaveLength(1));
  });
});
