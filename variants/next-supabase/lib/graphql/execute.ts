import { usePersistedOperations } from '@graphql-yoga/plugin-persisted-operations';
import { GraphQLError, NoSchemaIntrospectionCustomRule } from 'graphql';
import { createSchema, createYoga, type Plugin } from 'graphql-yoga';
import type { Identity } from '@/lib/auth/identity';
import { config } from '@/lib/config/config';
import { DomainError, ValidationError } from '@/lib/errors/domain-error';
import { postgresToDomainError } from '@/lib/errors/postgres-errors';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { limitsRule } from './limits';
import { createLoaders } from './loaders';
import { findOperation } from './operations';
import { type GraphContext, resolvers } from './resolvers';
import { typeDefs } from './type-defs';

const yoga = () =>
  processWide('graphql', () => {
    const { NODE_ENV, GRAPHQL_PERSISTED_ONLY } = config();
    const rules: Plugin = {
      onValidate({ addValidationRule }) {
        addValidationRule(limitsRule);
        if (NODE_ENV === 'production') addValidationRule(NoSchemaIntrospectionCustomRule);
      },
    };
    return createYoga<GraphContext>({
      schema: createSchema<GraphContext>({ typeDefs, resolvers }),
      logging: false,
      graphiql: false,
      landingPage: false,
      maskedErrors: { maskError: presentError },
      plugins: [
        usePersistedOperations({
          getPersistedOperation: findOperation,
          allowArbitraryOperations: !GRAPHQL_PERSISTED_ONLY,
        }),
        rules,
      ],
    });
  });

export interface GraphRequest {
  readonly query?: string;
  readonly operationName?: string | null;
  readonly variables?: Record<string, unknown> | null;
  readonly extensions?: Record<string, unknown>;
}

/** Executes an operation as the caller (GraphQL over HTTP, `application/json`: what is wrong with it is in `errors`). */
export async function execute(caller: Identity, request: GraphRequest): Promise<unknown> {
  const response = await yoga().fetch(
    'http://graphql/graphql',
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(request),
    },
    { caller, loaders: createLoaders(caller.userId) },
  );
  return response.json();
}

/** What a client may know of an error: those that the domain names, and those of GraphQL itself. */
function presentError(error: unknown): Error {
  const origin = error instanceof GraphQLError ? error.originalError : error;
  if (error instanceof GraphQLError && origin === undefined) return error;
  const known = origin instanceof DomainError ? origin : postgresToDomainError(origin);
  const path = error instanceof GraphQLError ? { nodes: error.nodes, path: error.path } : {};
  if (known === undefined) {
    log().error({ err: origin }, 'a GraphQL operation failed');
    return new GraphQLError('The service failed to answer.', { ...path, extensions: { code: 'INTERNAL' } });
  }
  const faults = known instanceof ValidationError && { errors: known.faults };
  return new GraphQLError(known.message, {
    ...path,
    extensions: { code: known.code, ...known.members, ...faults },
  });
}
