import { z } from 'zod';
import { handler } from '@/lib/api/handler';
import { execute } from '@/lib/graphql/execute';

const MAX_CHARACTERS = 10_000;
const json = z.record(z.string(), z.unknown());

const request = z.strictObject({
  query: z.string().max(MAX_CHARACTERS).optional(),
  operationName: z.string().max(200).nullish(),
  variables: json.nullish(),
  extensions: json.optional(),
});

const result = z
  .looseObject({ data: json.nullish(), errors: z.array(z.looseObject({ message: z.string() })).optional() })
  .meta({ id: 'GraphQLResult' });

export const POST = handler(
  {
    operationId: 'graphql',
    summary: 'A GraphQL operation on projects and their members; errors of the operation are in errors',
    access: 'projects:read',
    body: request,
    answers: { 200: result },
  },
  async ({ caller, body }) => ({ status: 200, body: await execute(caller, body) }),
);
