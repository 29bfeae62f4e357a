// @ts-check
/** Gives a database what a Supabase project's database has: roles, schemas, extensions, the tables of Auth. */
import { readFileSync } from 'node:fs';
import pg from 'pg';

const SCHEMA = new URL('./bootstrap.sql', import.meta.url);

/**
 * @param {object} what
 * @param {string} what.url of the superuser
 * @param {string} what.owner the role that migrates: on Supabase it is called `postgres`
 * @param {{ authenticator: string, auth: string }} what.passwords
 */
export async function prepareDatabase({ url, owner, passwords }) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query("SELECT to_regclass('auth.refresh_tokens') IS NOT NULL AS there");
    await client.query('BEGIN');
    if (!rows[0].there) {
      await client.query(readFileSync(SCHEMA, 'utf8').replaceAll('"<owner>"', pg.escapeIdentifier(owner)));
    }
    await client.query(`ALTER ROLE authenticator PASSWORD ${pg.escapeLiteral(passwords.authenticator)}`);
    await client.query(`ALTER ROLE supabase_auth_admin PASSWORD ${pg.escapeLiteral(passwords.auth)}`);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}
