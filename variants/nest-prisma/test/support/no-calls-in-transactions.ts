import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { afterEach, expect } from '@jest/globals';
import { Database } from '../../src/database/database.js';

/**
 * Fails every test in which code calls another service while it holds a connection to the database: that service may be
 * slow, and the pool is small.
 */
const inTransaction = new AsyncLocalStorage<true>();
let calls: string[] = [];

const { transaction } = Database.prototype;
Database.prototype.transaction = function (work, options) {
  return transaction.call(this, (client) => inTransaction.run(true, () => work(client)), options) as never;
};

/** What Node publishes when a request begins, by its own clients and by fetch. */
for (const channel of ['http.client.request.start', 'undici:request:create']) {
  subscribe(channel, () => {
    if (inTransaction.getStore()) calls.push(new Error(channel).stack ?? channel);
  });
}

afterEach(() => {
  const made = calls;
  calls = [];
  expect(made).toEqual([]);
});
