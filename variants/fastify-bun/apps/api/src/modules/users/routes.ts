import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { callerOf } from '../../shared/lib/http/caller.js';
import { ExportStream } from './export-stream.js';
import { UpdateUser, User, UserExport } from './schema.js';
import type { UsersService } from './service.js';

const tags = ['users'];
/** A client that takes longer to read its export does not get the rest. */
const EXPORT_LIMIT_MS = 600_000;

export const usersRoutes: FastifyPluginAsyncZod<{ readonly service: UsersService }> = async (
  app,
  { service },
) => {
  app.get(
    '/me',
    {
      config: { problems: [404] },
      schema: { tags, operationId: 'getMe', summary: 'Get the own account', response: { 200: User } },
    },
    (request) => service.get(callerOf(request)),
  );

  app.patch(
    '/me',
    {
      config: { needsSession: true, problems: [404] },
      schema: {
        tags,
        operationId: 'updateMe',
        summary: 'Change the own account',
        body: UpdateUser,
        response: { 200: User },
      },
    },
    (request) => service.update(callerOf(request), request.body),
  );

  app.get(
    '/me/export',
    {
      config: { needsSession: true, timeoutMs: () => EXPORT_LIMIT_MS, problems: [404, 429] },
      schema: {
        tags,
        operationId: 'exportMe',
        summary: 'Export all data of the user',
        description: 'Everything that is kept of the user.',
        response: { 200: UserExport },
      },
    },
    async (request, reply) => {
      const { end, ...records } = await service.export(callerOf(request));
      const stream = new ExportStream(records);
      app.endWithSession(request, stream);
      const limit = setTimeout(() => stream.destroy(new Error('the export took too long')), EXPORT_LIMIT_MS);
      stream.once('close', () => {
        clearTimeout(limit);
        void end();
      });
      return reply
        .type('application/json; charset=utf-8')
        .header('content-disposition', 'attachment; filename="export.json"')
        .send(stream as unknown as z.output<typeof UserExport>);
    },
  );

  app.delete(
    '/me',
    {
      config: { needsSession: 'fresh', problems: [404] },
      schema: {
        tags,
        operationId: 'deleteMe',
        summary: 'Delete the account',
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
