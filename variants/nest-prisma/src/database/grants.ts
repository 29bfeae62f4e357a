import type pg from 'pg';
import { applyGrants } from './apply-grants.js';

/**
 * What the running service may do; the policies say to which rows. It owns nothing, and what is soft-deleted it cannot
 * delete at all.
 */
const GRANTS: Readonly<Record<string, string>> = {
  users: 'SELECT, INSERT, UPDATE',
  organizations: 'SELECT, INSERT, UPDATE',
  memberships: 'SELECT, INSERT, UPDATE, DELETE',
  invitations: 'SELECT, INSERT, UPDATE, DELETE',
  customers: 'SELECT, INSERT, UPDATE',
  trackings: 'SELECT, INSERT, UPDATE',
  google_connections: 'SELECT, INSERT, UPDATE',
  tracking_setups: 'SELECT, INSERT, UPDATE',
  tracking_setup_steps: 'SELECT, INSERT, UPDATE',
  sync_runs: 'SELECT, INSERT, UPDATE',
  google_resources: 'SELECT, INSERT, UPDATE',
  dead_letters: 'SELECT, INSERT, UPDATE',
  audit_log: 'SELECT, INSERT',
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
