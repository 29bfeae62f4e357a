import type pg from 'pg';
import { applyGrants } from './apply-grants.js';

/** What the running service may do. It owns nothing, and cannot change a table. */
const GRANTS: Readonly<Record<string, string>> = {
  users: 'SELECT, INSERT, UPDATE, DELETE',
  sessions: 'SELECT, INSERT, UPDATE, DELETE',
  accounts: 'SELECT, INSERT, UPDATE, DELETE',
  verifications: 'SELECT, INSERT, UPDATE, DELETE',
  api_keys: 'SELECT, INSERT, UPDATE, DELETE',
  provider_keys: 'SELECT, INSERT, UPDATE, DELETE',
  chats: 'SELECT, INSERT, UPDATE, DELETE',
  messages: 'SELECT, INSERT, UPDATE, DELETE',
  idempotency_keys: 'SELECT, INSERT, DELETE',
};

/**
 * Gives the application's role what it needs. Run after every migration, so it is safe to repeat.
 *
 * @param owner a connection of the role that owns the schema
 * @param appUrl the URL that the running service connects with
 */
export async function grantToApplication(owner: pg.Client, appUrl: string): Promise<void> {
  const role = decodeURIComponent(new URL(appUrl).username);
  const { rows } = await owner.query('SELECT current_user AS self');
  if (role === '' || role === rows[0].self) {
    throw new Error(
      'DATABASE_URL and MIGRATION_DATABASE_URL name the same role. The service must connect with one that owns nothing.',
    );
  }
  await applyGrants(async (statement, values) => (await owner.query(statement, values)).rows, role, GRANTS);
}
