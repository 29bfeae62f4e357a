/// <reference types="vite/types/importMeta.d.ts" />
import type { RouteHandler } from '@/lib/api/handler';
import { openApiDocument, type Route } from './document';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

// Read by Vite, for `npm run openapi`: Next.js bundles each route apart, so that none knows the others. The one that
// serves the document needs what is only about to be written.
const modules = import.meta.glob<Partial<Record<(typeof METHODS)[number], RouteHandler>>>(
  ['/app/**/route.ts', '!/app/openapi.json/route.ts'],
  { eager: true },
);

/** `/app/api/v1/projects/[id]/route.ts` as `/api/v1/projects/{id}`. */
const pathOf = (file: string) => file.replace(/^\/app|\/route\.ts$/g, '').replace(/\[(\w+)\]/g, '{$1}');

/** What `handler()` made is the API; health, metrics and the documents themselves are not. */
const routes: Route[] = Object.entries(modules).flatMap(([file, module]) =>
  METHODS.flatMap((method) => {
    const operation = module[method]?.operation;
    return operation === undefined || 'isRoute' in operation
      ? []
      : [{ method, path: pathOf(file), operation }];
  }),
);

/** The OpenAPI document of all routes. */
export const document = (info: Parameters<typeof openApiDocument>[0]) => openApiDocument(info, routes);
