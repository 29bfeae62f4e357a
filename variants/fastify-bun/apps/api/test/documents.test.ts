import { describe, expect, it } from 'bun:test';
import { readConfig } from '../src/shared/lib/config/config.js';
import { PROBLEMS } from '../src/shared/lib/errors/problem-catalog.js';

const root = new URL('../../../', import.meta.url);
const read = (name: string) => Bun.file(new URL(name, root)).text();

describe('README.md', () => {
  it('lists every error code with its status and title, and no other', async () => {
    const rows = (await read('README.md')).match(/^\| `[A-Z_]+` \| \d{3} \| .+ \|$/gm) ?? [];
    const expected = Object.entries(PROBLEMS).map(
      ([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`,
    );
    expect(rows.toSorted()).toEqual(expected.toSorted());
  });

  it('and .env.example name every setting', async () => {
    const settings = Object.keys(
      readConfig({
        NODE_ENV: 'test',
        DATABASE_URL: 'postgresql://localhost/none',
        REDIS_URL: 'redis://localhost',
        PUBLIC_URL: 'http://localhost',
        AUTH_SECRET: 'a'.repeat(32),
        ENCRYPTION_KEYS: 'b'.repeat(64),
      }),
    );
    const [readme, example] = [await read('README.md'), await read('.env.example')];
    for (const name of settings) {
      expect(readme).toContain(`| \`${name}\` |`);
      expect(example).toMatch(new RegExp(`^#?${name}=`, 'm'));
    }
  });
});

describe('openapi.json', () => {
  interface Schema {
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly additionalProperties?: unknown;
    readonly items?: Schema;
    readonly anyOf?: readonly Schema[];
  }
  interface Operation {
    readonly responses: Readonly<
      Record<string, { readonly content?: Readonly<Record<string, { schema?: Schema }>> }>
    >;
  }
  interface Document {
    readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  }
  /** Open on purpose: no row of a table, but what the AI SDK and RFC 9457 define. */
  const OPEN = new Set(['Message/parts/items', 'MessageInput/parts/items', 'Problem']);

  function openObjects(schema: Schema, path: string): string[] {
    const { properties = {}, additionalProperties = false, items, anyOf = [] } = schema;
    const isOpen = schema.properties !== undefined && additionalProperties !== false && !OPEN.has(path);
    return [
      ...(isOpen ? [path] : []),
      ...Object.entries(properties).flatMap(([name, member]) => openObjects(member, `${path}/${name}`)),
      ...(items === undefined ? [] : openObjects(items, `${path}/items`)),
      ...anyOf.flatMap((member) => openObjects(member, path)),
    ];
  }

  it('describes every successful response, and no response object has members that are not named', async () => {
    const document: Document = JSON.parse(await read('openapi.json'));
    const found = Object.entries(document.components.schemas).flatMap(([name, schema]) =>
      openObjects(schema, name),
    );
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { responses }] of Object.entries(methods)) {
        for (const [status, { content = {} }] of Object.entries(responses)) {
          for (const [type, { schema }] of Object.entries(content)) {
            const name = `${method} ${path} ${status}`;
            if (type === 'application/json' && schema === undefined) found.push(name);
            else if (type === 'application/json' && schema !== undefined)
              found.push(...openObjects(schema, name));
          }
        }
      }
    }
    expect(found).toEqual([]);
  });
});

describe('an error class', () => {
  const folder = new URL('../src/modules/', import.meta.url).pathname;
  const files = [...new Bun.Glob('*/errors.ts').scanSync(folder)];

  it.each(files)('of %s means what the catalog says', async (file) => {
    const classes: Record<string, new () => { code: string; statusCode: number }> = await import(
      folder + file
    );
    for (const Each of Object.values(classes)) {
      const { code, statusCode } = new Each();
      expect([code, PROBLEMS[code]?.status]).toEqual([code, statusCode]);
    }
  });
});
