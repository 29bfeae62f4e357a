import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NextRequest } from 'next/server';
import { absolutePath } from 'swagger-ui-dist';
import { nothingHere } from '@/lib/api/nothing-here';

const START = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true });\n";

/** What the page loads; other names are not looked for. */
const FILES: Readonly<Record<string, { type: string; read: () => Promise<string> }>> = {
  'start.js': { type: 'text/javascript', read: async () => START },
  'swagger-ui-bundle.js': { type: 'text/javascript', read: () => ofPackage('swagger-ui-bundle.js') },
  'swagger-ui.css': { type: 'text/css', read: () => ofPackage('swagger-ui.css') },
};

const ofPackage = (name: string) => readFile(join(absolutePath(), name), 'utf8');

export async function GET(
  request: NextRequest,
  context: { params: Promise<{ file: string }> },
): Promise<Response> {
  const { file: name } = await context.params;
  const file = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
  if (file === undefined) return nothingHere(request, context);
  return new Response(await file.read(), {
    headers: { 'content-type': `${file.type}; charset=utf-8`, 'cache-control': 'public, max-age=3600' },
  });
}
