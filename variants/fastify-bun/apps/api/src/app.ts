import Fastify from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { authModule } from './modules/auth/index.js';
import { chatModule } from './modules/chat/index.js';
import { providersModule } from './modules/providers/index.js';
import { usersModule } from './modules/users/index.js';
import type { Config } from './shared/lib/config/config.js';
import { serializerCompiler } from './shared/lib/http/serializer.js';
import { readJsonBodies, serverOptions } from './shared/lib/http/server.js';
import { createLogger } from './shared/lib/logging/logger.js';
import { databasePlugin } from './shared/plugins/database.js';
import { docsPlugin } from './shared/plugins/docs.js';
import { errorsPlugin } from './shared/plugins/errors.js';
import { expiryPlugin } from './shared/plugins/expiry.js';
import { healthPlugin } from './shared/plugins/health.js';
import { mailPlugin } from './shared/plugins/mail.js';
import { metricsPlugin } from './shared/plugins/metrics.js';
import { rateLimitPlugin } from './shared/plugins/rate-limit.js';
import { requestContextPlugin } from './shared/plugins/request-context.js';
import { securityPlugin } from './shared/plugins/security.js';
import { valkeyPlugin } from './shared/plugins/valkey.js';

export type App = Awaited<ReturnType<typeof createApp>>;

/** The whole application, not yet listening; tests, benchmarks and `index.ts` start from here. */
export async function createApp(config: Config, logger = createLogger(config)) {
  const app = Fastify({
    ...serverOptions(config, logger),
    // The schemas of parameters say how long those may be.
    routerOptions: { maxParamLength: 1_000 },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  // JSON is the only body that any route takes.
  app.removeContentTypeParser('text/plain');
  readJsonBodies(app);

  await app.register(errorsPlugin);
  await app.register(requestContextPlugin, { timeoutMs: config.REQUEST_TIMEOUT_MS });
  await app.register(securityPlugin, { settings: config });
  await app.register(valkeyPlugin, { url: config.REDIS_URL });
  await app.register(rateLimitPlugin, { settings: config });
  await app.register(databasePlugin, { settings: config });
  await app.register(mailPlugin, { settings: config });
  await app.register(expiryPlugin, { settings: config });
  await app.register(docsPlugin);
  await app.register(healthPlugin);
  await app.register(metricsPlugin);
  await app.register(authModule, { settings: config });
  await app.register(providersModule, { settings: config });
  await app.register(chatModule, { settings: config });
  await app.register(usersModule);
  return app;
}
