import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool, PoolClient } from 'pg';
import * as schema from './schema/index.js';
import type { Drizzle } from './tenant-database.js';
import { withClient } from './with-client.js';

/** What a person has shown who is not yet in any tenant's scope. The policies let the transaction see what belongs to it. */
export interface Credentials {
  /** Lower case: the user with this address, to check a password against. */
  readonly loginEmail?: string;
  /** SHA-256 of a refresh token, in hexadecimal: that one token. */
  readonly refreshHash?: string;
  /** SHA-256 of the token of an invitation, in hexadecimal: that one invitation. */
  readonly invitationHash?: string;
  /** SHA-256 of a token that was sent by mail, in hexadecimal: that one registration or password reset. */
  readonly mailHash?: string;
  /** A user who is known: the user's own row and memberships. */
  readonly userId?: string;
  /** The tenant that registers, or that the user has chosen and is a member of. */
  readonly tenantId?: string;
}

const SETTINGS = {
  loginEmail: 'app.login_email',
  refreshHash: 'app.refresh_hash',
  invitationHash: 'app.invitation_hash',
  mailHash: 'app.mail_token_hash',
  userId: 'app.user_id',
  tenantId: 'app.tenant_id',
} as const satisfies Record<keyof Credentials, string>;

/**
 * The door for registration, log-in, refresh and log-out, which happen before there is a tenant. It opens exactly as wide
 * as what the caller has shown: with an address, that user's row; with a token, that token.
 */
export class IdentityDatabase {
  constructor(private readonly pool: Pool) {}

  /** Runs a transaction. `show` adds credentials that it has found out on the way. */
  async transaction<Result>(
    credentials: Credentials,
    work: (db: Drizzle, show: (more: Credentials) => Promise<void>) => Promise<Result>,
  ): Promise<Result> {
    return withClient(this.pool, async (client) => {
      await Promise.all([client.query('BEGIN'), show(client, credentials)]);
      const result = await work(drizzle({ client, schema }), (more) => show(client, more));
      await client.query('COMMIT');
      return result;
    });
  }
}

async function show(client: PoolClient, credentials: Credentials): Promise<void> {
  const shown = Object.entries(credentials).filter(([, value]) => value !== undefined);
  await Promise.all(
    shown.map(([name, value]) =>
      client.query('SELECT set_config($1, $2, true)', [SETTINGS[name as keyof Credentials], value]),
    ),
  );
}
