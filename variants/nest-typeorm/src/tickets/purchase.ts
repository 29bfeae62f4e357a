import type { DomainError } from '../common/errors/domain-error.js';
import type { PurchaseResponse } from './dto/purchase-response.dto.js';

/** A wish to buy, validated and not yet decided. */
export interface PurchaseOrder {
  /** UUIDv7; the purchase's id if it is granted. */
  readonly id: string;
  readonly eventId: string;
  readonly quantity: number;
  readonly buyerName: string;
  readonly buyerEmail: string;
  /** When the request came, by the clock of `performance.now()`. */
  readonly receivedAt: number;
  /** Whether the client has its response, or is gone: such an order must not be granted. */
  readonly isAbandoned: () => boolean;
  readonly idempotency?: { readonly key: string; readonly fingerprint: Buffer };
}

/** A purchase that the database holds; `replayed` where it did so before this request. */
export interface GrantedPurchase {
  readonly response: PurchaseResponse;
  readonly replayed: boolean;
}

/** What became of an order: the purchase, or the reason for which it was refused. */
export type PurchaseOutcome = GrantedPurchase | DomainError;
