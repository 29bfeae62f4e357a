import fp from 'fastify-plugin';
import { Encryption, type KeyRing } from '../../shared/lib/encryption.js';
import { createModelFactory, type ModelSettings, type OpenModel } from './models.js';
import { createProvidersRepository } from './repository.js';
import { providersRoutes } from './routes.js';
import { createProvidersService, type ProvidersService } from './service.js';

declare module 'fastify' {
  interface FastifyInstance {
    readonly providers: { readonly service: ProvidersService; readonly openModel: OpenModel };
  }
}

type Settings = ModelSettings & { readonly ENCRYPTION_KEYS: KeyRing };

/** The users' keys for AI providers, and the models that they open. */
export const providersModule = fp<{ readonly settings: Settings }>(
  async (app, { settings }) => {
    const openModel = createModelFactory(settings);
    const service = createProvidersService({
      repository: createProvidersRepository(app.db),
      encryption: new Encryption(settings.ENCRYPTION_KEYS),
      openModel,
      allowedHosts: settings.PROVIDER_ALLOWED_HOSTS,
      log: app.log,
    });
    app.decorate('providers', { service, openModel });
    await app.register(providersRoutes, { prefix: '/providers', service });
  },
  { name: 'providers', dependencies: ['database', 'auth'] },
);
