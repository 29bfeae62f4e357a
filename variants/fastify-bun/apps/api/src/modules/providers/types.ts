import type { ProviderName } from '@app/shared';
import type { FastifyError } from '@fastify/error';
import type { LanguageModel } from 'ai';
import type { providerKeys } from '../../shared/db/schema/index.js';
import type { DomainError } from '../../shared/lib/errors/domain-error.js';

/** How much longer than its provider an answer may take, in milliseconds. */
export const ANSWER_MARGIN_MS = 10_000;

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

/** A model that can be asked, and what it goes by. */
export interface OpenedModel {
  readonly provider: ProviderName;
  readonly modelName: string;
  readonly model: LanguageModel;
}

/** What other modules may ask of this one. */
export interface ProviderAccess {
  /** @throws ProviderKeyNotFoundError */
  assertKey(userId: string, keyId: string): Promise<void>;

  /** @throws ProviderKeyNotFoundError, ProviderKeyUnreadableError */
  openModel(userId: string, keyId: string, modelName: string): Promise<OpenedModel>;

  /** The models that the user has named for when another one fails, in their order; keys that do not decrypt are left out. */
  openFallbacks(userId: string, exceptKeyId: string): Promise<OpenedModel[]>;

  /** How many tests of keys are under way for a user, over all processes. */
  countTests(userId: string): Promise<number>;

  /** What a provider's failure means to the user. */
  explain(error: unknown, hasBegun: boolean): FastifyError | DomainError;
}
