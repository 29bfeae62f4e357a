import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { startService, type TestService } from './support/service.js';
import { PASSWORD, registerTenant } from './support/tenants.js';

const [OLD, NEW] = ['1'.repeat(64), '2'.repeat(64)];

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(async () => {
  await database?.drop();
});

// One after the other: Passport keeps its strategies per process.
async function withKeys<Result>(
  JWT_KEYS: string,
  use: (service: TestService) => Promise<Result>,
): Promise<Result> {
  const service = await startService(database, { JWT_KEYS });
  return use(service).finally(() => service.stop());
}

it('keeps tokens of the key before valid, signs with the new one, and ends the old one when it is dropped', async () => {
  const status = async (service: TestService, token: string) =>
    (await service.get('/projects', { authorization: `Bearer ${token}` })).status;
  const { email, accessToken: old } = await withKeys(OLD, registerTenant);
  const fresh = await withKeys(`${NEW},${OLD}`, async (service) => {
    expect(await status(service, old)).toBe(200);
    expect((await service.get('/.well-known/jwks.json')).body.keys).toHaveLength(2);
    return (await service.post('/auth/login', { email, password: PASSWORD })).body.accessToken;
  });
  await withKeys(NEW, async (service) => {
    expect([await status(service, old), await status(service, fresh)]).toEqual([401, 200]);
  });
});
