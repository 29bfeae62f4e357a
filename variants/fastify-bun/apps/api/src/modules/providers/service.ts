import type { CreateProviderKey, ProviderKey, UpdateProviderKey } from '@app/shared';
import { generateText } from 'ai';
import type { ConcurrencyLimit } from '../../shared/lib/concurrency-limit.js';
import { DecryptionError, type Encryption } from '../../shared/lib/encryption.js';
import { assertPublicUrl } from '../../shared/lib/http/pinned-fetch.js';
import type { KeyedRequest, Outcome } from '../../shared/lib/idempotency/types.js';
import type { Log } from '../../shared/lib/logging/log.js';
import { ProviderKeyNotFoundError, ProviderKeyUnreadableError, TooManyTestsError } from './errors.js';
import type { OpenModel } from './models.js';
import type { ProvidersRepository } from './repository.js';
import type { OpenedKey, OpenedModel, ProviderAccess, ProviderKeyRow } from './types.js';
import { toProviderError } from './upstream-errors.js';

const TABLE = 'provider_keys';
const KEYS_PER_USER = 50;
/** Of a shorter key four characters would say too much. */
const SHORTEST_MASKED = 16;

interface Dependencies {
  readonly repository: ProvidersRepository;
  readonly encryption: Encryption;
  readonly openModel: OpenModel;
  readonly tests: {
    readonly openModel: OpenModel;
    readonly running: ConcurrencyLimit;
    /** How many tests and answers of one user may run at the same time. */
    readonly max: number;
    readonly timeoutMs: number;
    /** For how long an answer may be made. */
    readonly answerMs: number;
  };
  readonly allowedHosts: readonly string[];
  readonly log: Log;
}

export type ProvidersService = ReturnType<typeof createProvidersService>;

/** The users' keys for AI providers. They are stored encrypted, and are in the clear only while a provider is called. */
export function createProvidersService({
  repository,
  encryption,
  openModel,
  tests,
  allowedHosts,
  log,
}: Dependencies) {
  function decrypt({ userId, id, secret, provider, baseUrl }: ProviderKeyRow): OpenedKey {
    try {
      const apiKey = encryption.decrypt(secret, { table: TABLE, row: id, owner: userId });
      return { id, provider, apiKey, baseUrl };
    } catch (cause) {
      if (!(cause instanceof DecryptionError)) throw cause;
      log.error({ err: cause, providerKeyId: id }, 'a stored provider key does not decrypt');
      throw new ProviderKeyUnreadableError();
    }
  }

  const sealed = (userId: string, id: string, apiKey: string) => ({
    secret: encryption.encrypt(apiKey, { table: TABLE, row: id, owner: userId }),
    lastFour: apiKey.length < SHORTEST_MASKED ? '' : apiKey.slice(-4),
  });

  async function find(userId: string, id: string): Promise<ProviderKeyRow> {
    return (await repository.findById(userId, id)) ?? missing();
  }

  function opened(row: ProviderKeyRow, modelName: string): OpenedModel {
    return { provider: row.provider, modelName, model: openModel(decrypt(row), modelName) };
  }

  return {
    /** @throws DomainError BASE_URL_NOT_ALLOWED, TooManyProviderKeysError */
    async create(
      userId: string,
      { apiKey, baseUrl, ...given }: CreateProviderKey,
      request?: KeyedRequest,
    ): Promise<Outcome<ProviderKey>> {
      if (baseUrl !== undefined) await assertPublicUrl(baseUrl, { allowedHosts });
      const id = Bun.randomUUIDv7();
      const row = { ...given, id, userId, baseUrl: baseUrl ?? null, ...sealed(userId, id, apiKey) };
      return repository.create(row, KEYS_PER_USER, request);
    },

    list: (userId: string): Promise<ProviderKeyRow[]> => repository.findAll(userId),

    /** @throws ProviderKeyNotFoundError */
    get: find,

    /** @throws ProviderKeyNotFoundError */
    async update(userId: string, id: string, changes: UpdateProviderKey): Promise<ProviderKeyRow> {
      return (await repository.update(userId, id, changes)) ?? missing();
    },

    /**
     * Puts another key in the place of the stored one.
     *
     * @throws ProviderKeyNotFoundError
     */
    async replace(userId: string, id: string, apiKey: string): Promise<ProviderKeyRow> {
      return (await repository.update(userId, id, sealed(userId, id, apiKey))) ?? missing();
    },

    /** @throws ProviderKeyNotFoundError */
    async remove(userId: string, id: string): Promise<void> {
      if (!(await repository.remove(userId, id))) missing();
    },

    /**
     * Asks a model for a word, and tells how long that took in milliseconds. It counts as an answer.
     *
     * @throws what `toProviderError` makes of a failure, TooManyTestsError
     */
    async test(userId: string, id: string, model: string): Promise<{ latencyMs: number }> {
      const key = decrypt(await find(userId, id));
      const countAnswers = () => repository.countAnswers(userId, new Date(Date.now() - tests.answerMs));
      const end = await tests.running.begin(userId, tests.max - (await countAnswers()));
      if (end === undefined) throw new TooManyTestsError();
      const started = performance.now();
      try {
        // An answer that began meanwhile has not counted this test.
        if ((await countAnswers()) + (await tests.running.count(userId)) > tests.max)
          throw new TooManyTestsError();
        await generateText({
          model: tests.openModel(key, model),
          prompt: 'Answer with the word OK.',
          maxOutputTokens: 16,
          maxRetries: 0,
          abortSignal: AbortSignal.timeout(tests.timeoutMs),
        });
      } catch (error) {
        throw toProviderError(error);
      } finally {
        await end();
      }
      return { latencyMs: Math.round(performance.now() - started) };
    },

    access: {
      async assertKey(userId, keyId) {
        await find(userId, keyId);
      },

      async openModel(userId, keyId, modelName) {
        return opened(await find(userId, keyId), modelName);
      },

      async openFallbacks(userId, exceptKeyId) {
        const rows = await repository.findAll(userId);
        return rows.flatMap((row) => {
          if (row.id === exceptKeyId || row.defaultModel === null) return [];
          try {
            return [opened(row, row.defaultModel)];
          } catch (error) {
            if (error instanceof ProviderKeyUnreadableError) return [];
            throw error;
          }
        });
      },

      countTests: (userId) => tests.running.count(userId),

      explain: toProviderError,
    } satisfies ProviderAccess,

    /**
     * Encrypts everything that is under an older key anew, in batches: it may be stopped and run again at any time.
     *
     * @returns how many secrets were rewritten, how many could not be read, and how many somebody else was changing
     */
    async rotate(batchSize = 100): Promise<{ rewritten: number; unreadable: number; left: number }> {
      const done = { rewritten: 0, unreadable: 0 };
      const start = '00000000-0000-0000-0000-000000000000';
      let after: Pick<ProviderKeyRow, 'userId' | 'id'> = { userId: start, id: start };
      for (;;) {
        const rows = await repository.rewriteSecrets(encryption.currentPrefix, after, batchSize, (row) => {
          try {
            const secret = encryption.rotate(row.secret, { table: TABLE, row: row.id, owner: row.userId });
            done.rewritten++;
            return secret;
          } catch (error) {
            if (!(error instanceof DecryptionError)) throw error;
            log.error({ err: error, providerKeyId: row.id }, 'a stored provider key does not decrypt');
            done.unreadable++;
            return undefined;
          }
        });
        const last = rows.at(-1);
        if (last === undefined) break;
        after = last;
      }
      const others = await repository.countSecretsWithout(encryption.currentPrefix);
      return { ...done, left: others - done.unreadable };
    },
  };
}

function missing(): never {
  throw new ProviderKeyNotFoundError();
}
