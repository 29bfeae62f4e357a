import fp from 'fastify-plugin';
import { Encryption, type KeyRing } from '../../shared/lib/encryption.js';
import { createModelFactory, type ModelSettings } from './models.js';
import { createProvidersRepository } from './repository.js';
import { providersRoutes } from './routes.js';
import { createProvidersService } from './service.js';
import type { ProviderAccess } from './types.js';

declare module 'fastify' {
  interface FastifyInstance {
    readonly providers: ProviderAccess;
  }
}

type Settings = ModelSettings & { readonly ENCRYPTION_KEYS: KeyRing };

/** The users' keys for AI providers, and the models that they open. */
export const providersModule = fp<{ readonly settings: Settings }>(
  async (app, { settings }) => {
    const service = createProvidersService({
      repository: createProvidersRepository(app.db),
      encryption: new Encryption(settings.ENCRYPTION_KEYS),
      openModel: createModelFactory(settings),
      allowedHosts: settings.PROVIDER_ALLOWED_HOSTS,
      log: app.log,
    });
    app.decorate('providers', service.access);
    await app.register(providersRoutes, { prefix: '/providers', service });
  },
  { name: 'providers', dependencies: ['database', 'auth'] },
);
