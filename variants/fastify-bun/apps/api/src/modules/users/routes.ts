import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { callerOf } from '../../shared/lib/http/caller.js';
import { UpdateUser, User, UserExport } from './schema.js';
import type { UsersService } from './service.js';

const tags = ['users'];

export const usersRoutes: FastifyPluginAsyncZod<{ readonly service: UsersService }> = async (
  app,
  { service },
) => {
  app.get('/me', { config: { problems: [404] }, schema: { tags, response: { 200: User } } }, (request) =>
    service.get(callerOf(request)),
  );

  app.patch(
    '/me',
    {
      config: { needsSession: true, problems: [404] },
      schema: { tags, body: UpdateUser, response: { 200: User } },
    },
    (request) => service.update(callerOf(request), request.body),
  );

  app.get(
    '/me/export',
    {
      config: { needsSession: true, problems: [404] },
      schema: { tags, description: 'Everything that is kept of the user.', response: { 200: UserExport } },
    },
    async (request, reply) => {
      reply.header('content-disposition', 'attachment; filename="export.json"');
      return service.export(callerOf(request));
    },
  );

  app.delete(
    '/me',
    {
      config: { needsSession: 'fresh', problems: [404] },
      schema: {
        tags,
        description: 'Deletes the account and all that belongs to it, not long after a log-in.',
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await service.remove(callerOf(request));
      return reply.status(204).send();
    },
  );
};
