import type { ProviderName } from '@app/shared';
import type { providerKeys } from '../../shared/db/schema/index.js';

export type ProviderKeyRow = typeof providerKeys.$inferSelect;
export type NewProviderKeyRow = typeof providerKeys.$inferInsert;

/** A key in the clear. It lives as long as a call does: do not store, log or return it. */
export interface OpenedKey {
  readonly id: string;
  readonly provider: ProviderName;
  readonly apiKey: string;
  /** Where the provider answers; `null` for where it always does. */
  readonly baseUrl: string | null;
}
