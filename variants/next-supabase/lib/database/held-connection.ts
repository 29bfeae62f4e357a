import { AsyncLocalStorage } from 'node:async_hooks';
import { processWide } from '@/lib/process-wide';

/** A transaction that is running. `held` is false once its connection is back in the pool. */
export interface HeldConnection {
  held: boolean;
}

/**
 * Tells code whether it runs inside a transaction. Nothing that a user or another service can slow down may be awaited
 * there, or a few slow requests take every connection of the pool. The tests end a service that does
 * (`test/support/watch-connections.mjs`).
 */
export const heldConnection = () =>
  processWide('held-connection', () => new AsyncLocalStorage<HeldConnection>());
