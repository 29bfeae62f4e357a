import { randomUUID } from 'node:crypto';
import { EVENTS, envelope, subjectOf } from '@app/shared';
import {
  AckPolicy,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
} from '@nats-io/jetstream';
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../database/test/support/database.js';
import {
  ProvisioningError,
  provideConsumer,
  provideStream,
} from '../../src/events/nats/nats.provisioning.js';
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

it('brings what an earlier release has provisioned to what this one declares, and goes on where that was', async () => {
  const earlier = `test-${randomUUID()}`;
  const stream = `${earlier}-events`;
  const subject = `${earlier}.events.>`;
  await streams.streams.add({ name: stream, subjects: [subject], max_age: nanos(86_400_000) });
  await streams.consumers.add(stream, {
    durable_name: 'project-stats',
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(10_000),
    filter_subjects: [`${earlier}.events.task.created.v1.*`],
  });
  const upgraded = await startService(database, { NATS_PREFIX: earlier });
  try {
    const grace = await registerTenant(upgraded);
    const projectId = await createProject(grace);
    await createTask(grace, projectId);
    await eventually(async () =>
      expect((await grace.get(`/projects/${projectId}/stats`)).body).toMatchObject({ tasksCreated: 1 }),
    );
    const { config } = await streams.streams.info(stream);
    expect(config.max_age).toBe(nanos(7 * 86_400_000));
    const consumer = await streams.consumers.info(stream, 'project-stats');
    expect(consumer.config.filter_subjects?.length).toBeGreaterThan(1);
    expect(consumer.config.ack_wait).toBe(nanos(30_000));
    const { body } = await upgraded.get('/health/ready');
    expect(body.details.nats.consumers['project-stats']).toEqual({
      waiting: expect.any(Number),
      isConsuming: true,
    });
    const metrics = await (await fetch(`${upgraded.url}/metrics`)).text();
    expect(metrics).toMatch(/events_consumer_running\{[^}]*consumer="project-stats"[^}]*\} 1/);
    expect(metrics).toMatch(/events_consumer_waiting\{[^}]*consumer="project-stats"[^}]*\} \d/);
  } finally {
    await upgraded.stop();
  }
});

it('names what JetStream cannot change, and changes nothing', async () => {
  const name = `test-${randomUUID()}`;
  const declared = { name, subjects: [`${name}.>`] };
  await provideStream(streams, declared);
  await provideStream(streams, declared);
  const workqueue = { ...declared, retention: RetentionPolicy.Workqueue };
  await expect(provideStream(streams, workqueue)).rejects.toThrow(ProvisioningError);
  await expect(provideStream(streams, workqueue)).rejects.toThrow(
    `The stream ${name} cannot be changed: retention from "limits" to "workqueue"`,
  );
  const consumer = { name: 'c', ack_policy: AckPolicy.Explicit, filter_subjects: [`${name}.a`] };
  await provideConsumer(streams, name, consumer);
  await provideConsumer(streams, name, { ...consumer, filter_subjects: [`${name}.b`, `${name}.a`] });
  expect((await streams.consumers.info(name, 'c')).config.filter_subjects).toHaveLength(2);
  await expect(provideConsumer(streams, name, { ...consumer, ack_policy: AckPolicy.None })).rejects.toThrow(
    `The consumer c of ${name} cannot be changed: ack_policy from "explicit" to "none"`,
  );
});
