import fp from 'fastify-plugin';
import { createUsersRepository } from './repository.js';
import { usersRoutes } from './routes.js';
import { createUsersService } from './service.js';

/** The caller's own account. */
export const usersModule = fp(
  async (app) => {
    const service = createUsersService({
      repository: createUsersRepository(app.db),
      chats: app.chatAccess,
      exports: app.limitConcurrency('export'),
      log: app.log,
    });
    await app.register(usersRoutes, { prefix: '/users', service });
  },
  { name: 'users', dependencies: ['database', 'rate-limit', 'auth', 'chat'] },
);
