import type { DataSource } from 'typeorm';
import { applyGrants } from './apply-grants.js';

/** What the running service may do. It owns nothing, and changes no table but in these ways. */
const GRANTS: Readonly<Record<string, string>> = {
  events: 'SELECT, INSERT, UPDATE',
  purchases: 'SELECT, INSERT',
  tickets: 'SELECT, INSERT',
  idempotency_keys: 'SELECT, INSERT, DELETE',
};

/**
 * Gives the application's role what it needs. Run after every migration, so it is safe to repeat.
 *
 * @param owner a connection of the role that owns the schema
 * @param appUrl the URL that the running service connects with; nothing is granted where it names the owner itself
 */
export async function grantToApplication(owner: DataSource, appUrl: string): Promise<void> {
  const role = decodeURIComponent(new URL(appUrl).username);
  const [{ current_user: self }] = await owner.query<[{ current_user: string }]>('SELECT current_user');
  if (role === '' || role === self) return;
  const runner = owner.createQueryRunner();
  try {
    await applyGrants((sql, values) => runner.query(sql, values), role, GRANTS);
  } finally {
    await runner.release();
  }
}
