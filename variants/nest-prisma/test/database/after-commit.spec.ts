import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Database } from '../../src/database/database.js';
import type { OrganizationScope } from '../../src/database/scope.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { createOrganization, openDatabase, type TestAccess } from '../support/organizations.js';

let stored: TestDatabase;
let access: TestAccess;
let database: Database;
let scope: OrganizationScope;
let told: string[];

beforeAll(async () => {
  stored = await createDatabase();
  access = openDatabase(stored.url);
  database = access.database;
});

afterAll(async () => {
  await access.close();
  await stored.drop();
});

beforeEach(async () => {
  scope = await createOrganization(database);
  told = [];
});

const invite = (email: string) => database.client.invitation.create({ data: { email, role: 'VIEWER' } });

/** Tells what others see of the invitations at that moment. */
const tell = () =>
  database.afterCommit(async () => {
    const rows = await stored.rows<{ email: string }>(scope.organizationId, 'SELECT email FROM invitations');
    told.push(...rows.map(({ email }) => email));
  });

it('others are told once a transaction is committed, also from one inside of it', async () => {
  await database.run(scope, () =>
    database.transaction(async () => {
      await database.transaction(async () => {
        await tell();
        await invite('a@example.com');
      });
      expect(told).toEqual([]);
    }),
  );
  expect(told).toEqual(['a@example.com']);
});

it('others are told nothing of a transaction that is rolled back, and once of one that is run again', async () => {
  await expect(
    database.run(scope, () =>
      database.transaction(async () => {
        await tell();
        await invite('a@example.com');
        throw new Error('changed my mind');
      }),
    ),
  ).rejects.toThrow('changed my mind');
  expect(told).toEqual([]);

  let attempts = 0;
  await database.run(scope, () =>
    database.transaction(async () => {
      await tell();
      await invite('b@example.com');
      attempts += 1;
      if (attempts === 1) throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
    }),
  );
  expect(attempts).toBe(2);
  expect(told).toEqual(['b@example.com']);
});

it('others are told at once where no transaction is open', async () => {
  await database.run(scope, async () => {
    await invite('a@example.com');
    await tell();
    expect(told).toEqual(['a@example.com']);
  });
});
