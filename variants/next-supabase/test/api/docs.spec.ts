import { describe, expect, inject, it } from 'vitest';
import { call } from '../support/api';

describe('the documentation', () => {
  it('is an OpenAPI 3.1 document of every route', async () => {
    const { body } = await call('GET', '/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(body.paths['/api/v1/projects/{id}'].get).toMatchObject({
      operationId: 'readProject',
      security: [{ bearer: ['session'] }, { bearer: ['projects:read'] }],
      responses: {
        200: {
          content: {
            'application/json': {
              schema: { properties: { data: { $ref: '#/components/schemas/Project' } } },
            },
          },
        },
        404: { description: 'PROJECT_NOT_FOUND' },
      },
    });
    expect(body.paths['/api/v1/auth/sign-in'].post.security).toEqual([]);
    expect(Object.keys(body.paths)).not.toContain('/metrics');
  });

  it('is shown to people by a page whose scripts all come from here', async () => {
    const page = await fetch(`${inject('url')}/docs`);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    const files = [...(await page.text()).matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map(
      ([, file]) => file,
    );
    expect(files).toHaveLength(3);
    for (const file of files) {
      const { status, headers } = await fetch(inject('url') + file);
      expect([status, headers.get('content-type')]).toEqual([
        200,
        expect.stringMatching(/^text\/(css|javascript)/),
      ]);
    }
  });

  it('gives no other file away', async () => {
    for (const file of ['package.json', '..%2fpackage.json', 'index.html', '__proto__', 'constructor']) {
      expect([file, (await call('GET', `/docs/${file}`)).status]).toEqual([file, 404]);
    }
  });
});
