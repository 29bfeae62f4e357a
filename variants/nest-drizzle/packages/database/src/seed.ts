import type pg from 'pg';

/** Fixed ids, so that a second run adds nothing and examples in documents stay true. */
const TENANT = '01990000-0000-7000-8000-00000000000a';
const USER = '01990000-0000-7000-8000-0000000000aa';
const OTHER_TENANT = '01990000-0000-7000-8000-00000000000b';
const OTHER_USER = '01990000-0000-7000-8000-0000000000bb';
const PROJECT = '01990000-0000-7000-8000-000000000001';

/** Argon2id of `correct horse battery`: for development, where everybody may know it. */
const PASSWORD_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$wg4X77RBAFISKDt5P1MQUw$Q4W+ko+XGAOg8t/nvw8wNeMbCkRy1ZScYafWv5TgeSM';

/**
 * Adds a tenant with a user and a project, and another tenant with a user, where they are not there yet. The owner is held
 * to the policies as well (FORCE), so it says for whom it writes.
 *
 * @returns how many projects were added
 */
export async function seed(owner: pg.ClientBase): Promise<number> {
  await owner.query('BEGIN');
  await addTenant(owner, OTHER_TENANT, 'Library', OTHER_USER, 'barbara@example.com', 'Barbara Liskov');
  await addTenant(owner, TENANT, 'Acme', USER, 'ada@example.com', 'Ada Lovelace');
  const { rowCount } = await owner.query(
    `INSERT INTO projects (tenant_id, id, name, description) VALUES ($1, $2, 'Analytical engine', 'A sample') ON CONFLICT DO NOTHING`,
    [TENANT, PROJECT],
  );
  await owner.query('COMMIT');
  return rowCount ?? 0;
}

async function addTenant(
  owner: pg.ClientBase,
  tenant: string,
  tenantName: string,
  user: string,
  email: string,
  name: string,
): Promise<void> {
  await owner.query(`SELECT set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true)`, [
    tenant,
    user,
  ]);
  await owner.query('INSERT INTO tenants (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    tenant,
    tenantName,
  ]);
  await owner.query('INSERT INTO users (id, email, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
    user,
    email,
    name,
  ]);
  await owner.query('INSERT INTO passwords (user_id, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    user,
    PASSWORD_HASH,
  ]);
  await owner.query(
    `INSERT INTO memberships (tenant_id, user_id, role) VALUES ($1, $2, 'owner') ON CONFLICT DO NOTHING`,
    [tenant, user],
  );
}
