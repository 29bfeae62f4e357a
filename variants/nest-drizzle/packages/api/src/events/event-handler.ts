import type { Envelope, EventContract } from '@app/shared';
import type { z } from 'zod';

/** Something that reacts to events. What it does happens once per event, however often that is delivered. */
export interface EventHandler<Contract extends EventContract = EventContract> {
  /** Names what is remembered of handled events; never change it. */
  readonly consumer: string;
  readonly contracts: readonly Contract[];
  /**
   * Whether handling an event again changes nothing. Such a handler runs outside of a transaction: for what is not in the
   * database, such as adding a job under an id of its own.
   */
  readonly isRepeatable?: boolean;
  /**
   * Runs in the tenant's scope, in the transaction that remembers the event.
   *
   * @throws OutageError where something that it needs is away
   */
  handle(event: Envelope & { readonly data: z.output<Contract['data']> }): Promise<void>;
}

/** Something that a handler needs is away. The event is as good as before, and waits for as long as it takes. */
export class OutageError extends Error {
  override name = 'OutageError';
}

/** All handlers of the service. */
export const EVENT_HANDLERS = Symbol('EVENT_HANDLERS');
