import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { callerOf } from '../../shared/lib/http/caller.js';
import { IdempotencyHeaders, keyedRequest, replayed } from '../../shared/lib/idempotency/keyed-request.js';
import {
  CreateProviderKey,
  ProviderKey,
  ProviderKeyParams,
  ProviderTest,
  RotateProviderKey,
  TestProviderKey,
  UpdateProviderKey,
} from './schema.js';
import type { ProvidersService } from './service.js';

const tags = ['providers'];
/** A provider may take longer than the database does. */
const TEST_TIMEOUT_MS = 20_000;

export const providersRoutes: FastifyPluginAsyncZod<{ readonly service: ProvidersService }> = async (
  app,
  { service },
) => {
  app.post(
    '',
    {
      config: { needsSession: true, problems: [409, 422] },
      schema: {
        tags,
        operationId: 'createProviderKey',
        summary: 'Store the API key of a provider',
        headers: IdempotencyHeaders,
        body: CreateProviderKey,
        response: { 201: ProviderKey },
      },
    },
    async (request, reply) => {
      const created = await service.create(callerOf(request), request.body, keyedRequest(request));
      replayed(reply, created).header('location', `/providers/${created.result.id}`);
      return reply.status(201).send(created.result);
    },
  );

  app.get(
    '',
    {
      schema: {
        tags,
        operationId: 'listProviderKeys',
        summary: 'List the stored keys',
        response: { 200: z.object({ data: z.array(ProviderKey) }) },
      },
    },
    async (request) => ({ data: await service.list(callerOf(request)) }),
  );

  app.get(
    '/:id',
    {
      config: { problems: [404] },
      schema: {
        tags,
        operationId: 'getProviderKey',
        summary: 'Get a stored key',
        params: ProviderKeyParams,
        response: { 200: ProviderKey },
      },
    },
    (request) => service.get(callerOf(request), request.params.id),
  );

  app.patch(
    '/:id',
    {
      config: { needsSession: true, problems: [404, 409] },
      schema: {
        tags,
        operationId: 'updateProviderKey',
        summary: 'Change the name or the models of a stored key',
        params: ProviderKeyParams,
        body: UpdateProviderKey,
        response: { 200: ProviderKey },
      },
    },
    (request) => service.update(callerOf(request), request.params.id, request.body),
  );

  app.post(
    '/:id/rotate',
    {
      config: { needsSession: true, problems: [404] },
      schema: {
        tags,
        operationId: 'rotateProviderKey',
        summary: 'Replace a stored key',
        description: 'Puts another key in the place of the stored one.',
        params: ProviderKeyParams,
        body: RotateProviderKey,
        response: { 200: ProviderKey },
      },
    },
    (request) => service.replace(callerOf(request), request.params.id, request.body.apiKey),
  );

  app.post(
    '/:id/test',
    {
      config: { timeoutMs: () => TEST_TIMEOUT_MS, problems: [404, 409, 422, 429, 502, 504] },
      schema: {
        tags,
        operationId: 'testProviderKey',
        summary: 'Test a stored key',
        description: 'Asks a model of the provider for a word.',
        params: ProviderKeyParams,
        body: TestProviderKey,
        response: { 200: ProviderTest },
      },
    },
    (request) => service.test(callerOf(request), request.params.id, request.body.model),
  );

  app.delete(
    '/:id',
    {
      config: { needsSession: true, problems: [404] },
      schema: {
        tags,
        operationId: 'deleteProviderKey',
        summary: 'Delete a stored key',
        params: ProviderKeyParams,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await service.remove(callerOf(request), request.params.id);
      return reply.status(204).send();
    },
  );
};
