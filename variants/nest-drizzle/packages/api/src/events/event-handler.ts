import type { Envelope, EventContract } from '@app/shared';
import type { z } from 'zod';

/** Something that reacts to events. What it does happens once per event, however often that is delivered. */
export interface EventHandler<Contract extends EventContract = EventContract> {
  /** Names what is remembered of handled events; never change it. */
  readonly consumer: string;
  readonly contracts: readonly Contract[];
  /** Runs in the tenant's scope, in the transaction that remembers the event. */
  handle(event: Envelope & { readonly data: z.output<Contract['data']> }): Promise<void>;
}

/** All handlers of the service. */
export const EVENT_HANDLERS = Symbol('EVENT_HANDLERS');
