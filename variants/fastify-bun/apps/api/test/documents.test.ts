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
