import swagger, { type SwaggerTransform } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { OpenAPIV3_1 } from 'openapi-types';
import manifest from '../../../../../package.json' with { type: 'json' };
import { PROBLEMS } from '../lib/errors/problem-catalog.js';
import { PROBLEM_HEADERS } from '../lib/errors/problem-headers.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The statuses of the problems that only some routes answer with, for the OpenAPI document. */
    readonly problems?: readonly number[];
  }
}

/** Swagger UI has styles and icons of its own in the page. That of its plugin has browsers load the scripts over https. */
const DOCS_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

/** `/docs` for people, `/openapi.json` for programs: made of the schemas that requests and answers are held to. */
export const docsPlugin = fp(
  async (app) => {
    const { name: title, description, version, license } = manifest;
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title, description, version, license: { name: license } },
        servers: [{ url: '/' }],
        components: {
          securitySchemes: {
            bearer: { type: 'http', scheme: 'bearer' },
            apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
            session: { type: 'apiKey', in: 'cookie', name: 'better-auth.session_token' },
          },
        },
      },
      transform,
      transformObject: (input) => withoutUnused(jsonSchemaTransformObject(input) as OpenAPIV3_1.Document),
    });
    await app.register(async (docs) => {
      docs.addHook('onRoute', (route) => {
        route.config = { ...route.config, isPublic: true };
      });
      await docs.register(swaggerUi, {
        routePrefix: '/docs',
        staticCSP: DOCS_POLICY,
        theme: { title },
      });
      docs.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
    });
  },
  { name: 'docs' },
);

/** Adds to each operation who may call it and which problems it may answer with. */
const transform: SwaggerTransform = (input) => {
  const { schema, url } = jsonSchemaTransform(input);
  if (schema.hide) return { schema, url };
  const { isPublic, needsSession, problems = [] } = input.route.config ?? {};
  const statuses = [
    400,
    ...(isPublic ? [] : [401]),
    ...(schema.body === undefined ? [] : [408, 413, 415]),
    ...(needsSession ? [403] : []),
    429,
    500,
    503,
    ...problems,
  ];
  const documents = statuses.map((status) => [status, problemResponse(status)] as const);
  return {
    url,
    schema: {
      ...schema,
      security: isPublic ? [] : [{ bearer: [] }, { session: [] }, ...(needsSession ? [] : [{ apiKey: [] }])],
      response: { ...(schema.response as object), ...Object.fromEntries(documents) },
    },
  };
};

/** Zod describes every schema twice, as input and as output: what no operation names goes. */
function withoutUnused(document: OpenAPIV3_1.Document): OpenAPIV3_1.Document {
  const { schemas = {}, ...components } = document.components ?? {};
  const text = JSON.stringify(document);
  const used = Object.entries(schemas).filter(([name]) => text.includes(`"#/components/schemas/${name}"`));
  return { ...document, components: { ...components, schemas: Object.fromEntries(used) } };
}

/** As @fastify/swagger wants them: schemas. */
function headersOf(status: number) {
  const headers = Object.entries(PROBLEM_HEADERS[status] ?? {});
  return Object.fromEntries(
    headers.map(([name, { description, schema }]) => [name, { description, ...schema }]),
  );
}

function problemResponse(status: number) {
  const codes = Object.entries(PROBLEMS).filter(([, problem]) => problem.status === status);
  return {
    description: codes.map(([code]) => code).join(', '),
    headers: headersOf(status),
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}
