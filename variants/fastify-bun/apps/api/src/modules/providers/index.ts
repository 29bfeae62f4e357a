import fp from 'fastify-plugin';
import { Encryption, type KeyRing } from '../../shared/lib/encryption.js';
import { createModelFactory, type ModelSettings } from './models.js';
import { createProvidersRepository } from './repository.js';
import { providersRoutes } from './routes.js';
import { createProvidersService } from './service.js';
import { ANSWER_MARGIN_MS, type ProviderAccess } from './types.js';

declare module 'fastify' {
  interface FastifyInstance {
    readonly providers: ProviderAccess;
  }
}

type Settings = ModelSettings & {
  readonly ANSWERS_PER_USER_MAX: number;
  readonly ENCRYPTION_KEYS: KeyRing;
  readonly PROVIDER_ANSWER_MAX_BYTES: number;
  readonly PROVIDER_TOTAL_TIMEOUT_MS: number;
};

/** Milliseconds. */
const TEST_TIMEOUT_MS = 15_000;
/** What of the response to a test is no answer, in bytes. */
const FRAME_BYTES = 65_536;

/** The users' keys for AI providers, and the models that they open. */
export const providersModule = fp<{ readonly settings: Settings }>(
  async (app, { settings }) => {
    const service = createProvidersService({
      repository: createProvidersRepository(app.db),
      encryption: new Encryption(settings.ENCRYPTION_KEYS),
      openModel: createModelFactory(settings),
      tests: {
        openModel: createModelFactory({
          ...settings,
          PROVIDER_RESPONSE_MAX_BYTES: Math.min(
            settings.PROVIDER_RESPONSE_MAX_BYTES,
            settings.PROVIDER_ANSWER_MAX_BYTES + FRAME_BYTES,
          ),
        }),
        running: app.limitConcurrency('provider-test'),
        max: settings.ANSWERS_PER_USER_MAX,
        timeoutMs: Math.min(TEST_TIMEOUT_MS, settings.PROVIDER_TOTAL_TIMEOUT_MS),
        answerMs: settings.PROVIDER_TOTAL_TIMEOUT_MS + ANSWER_MARGIN_MS,
      },
      allowedHosts: settings.PROVIDER_ALLOWED_HOSTS,
      log: app.log,
    });
    app.decorate('providers', service.access);
    await app.register(providersRoutes, { prefix: '/providers', service });
  },
  { name: 'providers', dependencies: ['database', 'rate-limit', 'auth'] },
);
