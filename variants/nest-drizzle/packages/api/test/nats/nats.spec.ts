import { randomUUID } from 'node:crypto';
import { EVENTS, envelope, subjectOf } from '@app/shared';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../database/test/support/database.js';
import { startService, type TestService } from '../support/service.js';
import { SETTINGS } from '../support/settings.js';
import { type Client, createProject, createTask, registerTenant } from '../support/tenants.js';

let database: TestDatabase;
let service: TestService;
let ada: Client;
let nats: NatsConnection;
let streams: JetStreamManager;
let client: JetStreamClient;
const prefix = SETTINGS.NATS_PREFIX ?? '';

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  ada = await registerTenant(service);
  nats = await connect({ servers: SETTINGS.NATS_URL });
  [streams, client] = [await jetstreamManager(nats), jetstream(nats)];
});

afterAll(async () => {
  await service?.stop();
  await nats?.drain();
  await database?.drop();
});

const eventually = <Result>(check: () => Promise<Result>) =>
  vi.waitFor(check, { timeout: 15_000, interval: 20 });
const stats = async (projectId: string) => (await ada.get(`/projects/${projectId}/stats`)).body;

/** The last event of a kind, as it lies in the stream. */
async function lastEvent(subject: string) {
  return eventually(async () => {
    const message = await streams.streams.getMessage(`${prefix}-events`, {
      last_by_subj: `${prefix}.${subject}`,
    });
    if (message === null) throw new Error('not there yet');
    return message;
  });
}

it('publishes CloudEvents, with the id, the tenant and the trace in the header', async () => {
  const projectId = await createProject(ada);
  const message = await lastEvent(subjectOf(EVENTS.projectCreated, ada.tenantId));
  const event = envelope.parse(message.json());
  expect(event).toMatchObject({
    type: 'project.created.v1',
    subject: projectId,
    tenantid: ada.tenantId,
    data: { id: projectId },
  });
  expect(message.header.get('Nats-Msg-Id')).toBe(event.id);
  expect(message.header.get('tenant-id')).toBe(ada.tenantId);
  expect(message.header.get('content-type')).toBe('application/cloudevents+json');
});

it('has no second effect when an event is delivered again after the broker has forgotten it', async () => {
  const projectId = await createProject(ada);
  await createTask(ada, projectId);
  await eventually(async () => expect(await stats(projectId)).toMatchObject({ tasksCreated: 1 }));
  const subject = subjectOf(EVENTS.taskCreated, ada.tenantId);
  const message = await lastEvent(subject);
  // Without an id for JetStream to compare, it is a new message with an old event in it.
  for (let copy = 0; copy < 3; copy += 1) await client.publish(`${prefix}.${subject}`, message.data);
  await createTask(ada, projectId);
  await eventually(async () => expect(await stats(projectId)).toMatchObject({ tasksCreated: 2 }));
});

it('refuses an event without a tenant, or with other data than its contract, and keeps it as a dead letter', async () => {
  const letters = `${prefix}.dead-letters.project-stats`;
  const count = async () => {
    const { state } = await streams.streams.info(`${prefix}-dead-letters`, { subjects_filter: letters });
    return state.subjects?.[letters] ?? 0;
  };
  const before = await count();
  const good = envelope.parse((await lastEvent(subjectOf(EVENTS.taskCreated, ada.tenantId))).json());
  const bad = [
    'nonsense',
    JSON.stringify({ ...good, id: randomUUID(), tenantid: undefined }),
    JSON.stringify({ ...good, id: randomUUID(), data: { id: 'x' } }),
  ];
  for (const text of bad)
    await client.publish(`${prefix}.${subjectOf(EVENTS.taskCreated, ada.tenantId)}`, text);
  await eventually(async () => expect((await count()) - before).toBe(bad.length));
  const letter = await streams.streams.getMessage(`${prefix}-dead-letters`, { last_by_subj: letters });
  expect(letter?.header.get('reason')).toContain('task.created.v1 breaks its contract');
  // And it still handles what comes after them.
  const projectId = await createProject(ada);
  await createTask(ada, projectId);
  await eventually(async () => expect(await stats(projectId)).toMatchObject({ tasksCreated: 1 }));
});

it('touches only the rows of the tenant that the event is of', async () => {
  const other = await registerTenant(service);
  const theirs = await createProject(other);
  await createTask(other, theirs);
  await eventually(async () =>
    expect((await other.get(`/projects/${theirs}/stats`)).body).toMatchObject({ tasksCreated: 1 }),
  );
  // A forged event: our tenant, their project. The foreign key carries the tenant, so there is no such project.
  const good = envelope.parse((await lastEvent(subjectOf(EVENTS.taskCreated, other.tenantId))).json());
  const forged = { ...good, id: randomUUID(), tenantid: ada.tenantId };
  await client.publish(`${prefix}.${subjectOf(EVENTS.taskCreated, ada.tenantId)}`, JSON.stringify(forged));
  const projectId = await createProject(ada);
  await createTask(ada, projectId);
  await eventually(async () => expect(await stats(projectId)).toMatchObject({ tasksCreated: 1 }));
  expect((await other.get(`/projects/${theirs}/stats`)).body).toMatchObject({ tasksCreated: 1 });
});

it('keeps an event that NATS will never take, and publishes what comes after it', async () => {
  const subject = subjectOf(EVENTS.taskCreated, ada.tenantId);
  const good = envelope.parse((await lastEvent(subject)).json());
  const id = randomUUID();
  const large = { ...good, id, data: { text: 'x'.repeat(2_000_000) } };
  const owner = await database.owner.connect();
  try {
    await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [ada.tenantId]);
    await owner.query('INSERT INTO outbox (tenant_id, id, subject, event) VALUES ($1, $2, $3, $4)', [
      ada.tenantId,
      id,
      subject,
      large,
    ]);
    await eventually(async () => {
      const { rows } = await owner.query(`SELECT failure, retry_at = 'infinity' AS dead FROM outbox`);
      expect(rows).toEqual([{ failure: expect.stringContaining('max_payload'), dead: true }]);
    });
  } finally {
    owner.release(true);
  }
  const projectId = await createProject(ada);
  await createTask(ada, projectId);
  await eventually(async () => expect(await stats(projectId)).toMatchObject({ tasksCreated: 1 }));
});
