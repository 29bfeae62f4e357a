import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { getQueueToken } from '@nestjs/bullmq';
import type { Queue } from 'bullmq';
import { SYNC_QUEUE, TRACKING_SETUP_QUEUE } from '../../src/jobs/queue-names.js';
import type { TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle } from '../support/fake-google.js';
import { connectGoogle, startGoogle } from '../support/google.js';
import { type Client, createCustomer, createTracking, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

export const SETUPS = '/api/v1/tracking-setups';
export const DEAD_LETTERS = '/api/v1/dead-letters';

/** Of Google, for a call that the user may not make. */
export const REFUSAL = {
  status: 403,
  body: { error: { code: 403, errors: [{ reason: 'insufficientPermissions' }] } },
};

export const setupQueue = ({ app }: TestService) => app.get<Queue>(getQueueToken(TRACKING_SETUP_QUEUE));
export const syncQueue = ({ app }: TestService) => app.get<Queue>(getQueueToken(SYNC_QUEUE));

/** Starts a Google with one account, and a service whose owner is connected to it. */
export async function startAgency(stored: TestDatabase) {
  const { google, settings } = await startGoogle();
  google.tagManager.add('', 'accounts', { name: 'Agency' });
  const service = await startService(stored, { ...settings, REDIS_PREFIX: `test-${randomUUID()}` });
  const owner = await newOwner(service);
  return { google, settings, service, owner, connectionId: await connectGoogle(google, owner) };
}

/** Deletes the jobs of a service, and stops it and its Google. */
export async function stopAgency(service: TestService, google: FakeGoogle): Promise<void> {
  await setupQueue(service).obliterate({ force: true });
  await syncQueue(service).obliterate({ force: true });
  await service.stop();
  await google.stop();
}

/** Asks for the set-up of a new tracking. @returns what was answered */
export async function askForSetup(client: Client, connectionId: string, changes: object = {}) {
  const customer = await createCustomer(client);
  const tracking = await createTracking(client, customer.id);
  const { status, body } = await client.post(SETUPS, {
    trackingId: tracking.id,
    connectionId,
    tagManagerAccountId: '1',
    adsCustomerId: '1234567890',
    ...changes,
  });
  if (status !== 202) throw new Error(`POST ${SETUPS} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** Waits until a set-up has come to a status. @returns the set-up */
export async function reaches(client: Client, id: string, status: string) {
  return eventually(async () => {
    const { body } = await client.get(`${SETUPS}/${id}`);
    expect(body).toMatchObject({ status });
    return body;
  });
}

export const states = (setup: { steps: { step: string; state: string }[] }) =>
  Object.fromEntries(setup.steps.map(({ step, state }) => [step, state]));

/** Follows a stream of events to its end, or until `isEnough`. */
export async function follow(
  url: string,
  headers: Record<string, string>,
  isEnough: (text: string) => boolean = () => false,
): Promise<{ text: string; events: { id: string; data: Record<string, unknown> }[] }> {
  const response = await fetch(url, { headers });
  if (response.status !== 200)
    throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (isEnough(text)) break;
  }
  const events = text
    .split('\n\n')
    .filter((part) => part.includes('event: state'))
    .map((part) => ({
      id: /^id: (.*)$/m.exec(part)?.[1] ?? '',
      data: JSON.parse(/^data: (.*)$/m.exec(part)?.[1] ?? 'null'),
    }));
  return { text, events };
}
