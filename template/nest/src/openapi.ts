import { readFileSync } from 'node:fs';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const { name, description, version, license } = JSON.parse(
  readFileSync(new URL('[% block manifest %]../package.json[% endblock %]', import.meta.url), 'utf8'),
) as { name: string; description: string; version: string; license: string };

/** The OpenAPI 3.1 document of the service. */
export function createOpenApiDocument(app: INestApplication): OpenAPIObject {
  const base = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle(name)
    .setDescription(description)
    .setVersion(version)
    .addServer('/')
[%- if variant != 'nest-typeorm' %]
    .addBearerAuth()
[%- endif %]
    .build();
  const document = SwaggerModule.createDocument(
    app,
    { ...base, info: { ...base.info, license: { name: license } } },
    { operationIdFactory: (_controller, method) => method },
  );
  // Said of each operation: without it, linters and generators take the security as forgotten.
  type Operations = Record<string, { security?: object[] }>;
  for (const operations of Object.values(document.paths as Record<string, Operations>))
    for (const operation of Object.values(operations)) operation.security ??= [];
  return document;
}

/** `/docs` for people, `/openapi.json` for programs. The document is made at the first request for it. */
export function serveDocs(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: name,
  });
}
