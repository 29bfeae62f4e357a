import document from '@/openapi.json';

/** As `npm run openapi` wrote it from what the route handlers declare. */
export function GET(): Response {
  return Response.json(document);
}
