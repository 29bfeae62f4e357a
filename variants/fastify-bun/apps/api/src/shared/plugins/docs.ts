import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import manifest from '../../../../../package.json' with { type: 'json' };

/** `/docs` for people, `/openapi.json` for programs: made of the schemas that requests and answers are held to. */
export const docsPlugin = fp(
  async (app) => {
    const { name: title, description, version } = manifest;
    await app.register(swagger, {
      openapi: { openapi: '3.1.0', info: { title, description, version } },
      transform: jsonSchemaTransform,
      transformObject: jsonSchemaTransformObject,
    });
    await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true, theme: { title } });
    app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  },
  { name: 'docs' },
);
