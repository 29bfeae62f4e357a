import { afterAll, expect, it } from 'bun:test';
import { Redis } from 'ioredis';
import { createConcurrencyLimit } from '../../src/shared/lib/concurrency-limit.js';
import { waitFor } from '../support/wait.js';

const LEASE_MS = 600;
const prefix = `test-${crypto.randomUUID()}`;
const valkey = new Redis(process.env.REDIS_URL ?? '');
const elsewhere = createConcurrencyLimit({ valkey, prefix, leaseMs: LEASE_MS });

afterAll(() => valkey.disconnect());

it('work counts for as long as it runs, and hardly longer where its end gets lost', async () => {
  const lost = new Redis(process.env.REDIS_URL ?? '', { enableOfflineQueue: false, maxRetriesPerRequest: 0 });
  await waitFor(() => lost.status === 'ready');
  const limit = createConcurrencyLimit({ valkey: lost, prefix, leaseMs: LEASE_MS });
  const end = await limit.begin('ada', 1);
  await Bun.sleep(2 * LEASE_MS);
  expect(await elsewhere.begin('ada', 1)).toBeUndefined();

  lost.disconnect();
  await end?.();
  const next = await waitFor(() => elsewhere.begin('ada', 1));
  await next();
  expect(await elsewhere.count('ada')).toBe(0);
});
