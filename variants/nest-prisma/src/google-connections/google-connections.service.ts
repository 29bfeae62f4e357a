import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { v4 as uuidv4, v7 as uuidv7 } from 'uuid';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { CONFIG } from '../common/config/config.module.js';
import { Encryption } from '../common/crypto/encryption.js';
import type { Config } from '../config/config.js';
import { Database } from '../database/database.js';
import { type GoogleConnection, Prisma } from '../generated/prisma/client.js';
import { GoogleUnavailableError, ReconnectRequiredError } from '../google/google.errors.js';
import { GoogleOAuthService, type GrantedTokens } from '../google/google-oauth.service.js';
import { AuthorizationFailedError, ConnectionNotFoundError } from './google-connections.errors.js';
import { PendingAuthorizations } from './pending-authorizations.js';

/** A token is renewed this long before it ends, so that no call to Google begins with one that ends meanwhile. */
const AHEAD_MS = 5 * 60 * 1_000;

const TABLE = 'google_connections';

/**
 * A renewal may take this long; then another one may begin, since the process may have died. Longer than
 * `GoogleOAuthService.refresh` takes at the most. In milliseconds.
 */
const LEASE_MS = 15_000;

/** How often those who wait for a renewal of another process look for its result, in milliseconds, with jitter. */
const POLL_MS = 100;

/** How long a renewal is waited for: two leases, since the first process may have died. In milliseconds. */
const WAIT_MS = 2 * LEASE_MS;

type Renewable = GoogleConnection & { readonly refreshToken: string };

const NO_RENEWAL = { renewalId: null, renewalEndsAt: null };

/** The Google accounts of the organization that the code runs for, and their tokens. */
@Injectable()
export class GoogleConnectionsService {
  private readonly encryption: Encryption;
  /** Renewals that run in this process: who needs the same waits for the same. */
  private readonly renewals = new Map<string, Promise<string>>();

  constructor(
    private readonly database: Database,
    private readonly google: GoogleOAuthService,
    private readonly pending: PendingAuthorizations,
    private readonly audit: AuditLog,
    @Inject(CONFIG) config: Config,
  ) {
    this.encryption = new Encryption(config.ENCRYPTION_KEYS);
  }

  /** Where the user agrees to the connection. */
  async begin(userId: string): Promise<string> {
    const { organizationId } = this.database.scope;
    const state = this.pending.newState();
    const { url, codeVerifier } = await this.google.authorizationUrl(state);
    const memberSince = await this.memberSince(userId);
    await this.pending.remember(state, { organizationId, userId, codeVerifier, memberSince });
    return url;
  }

  /**
   * What Google sent the user back with. The same user must hand it in, for the same organization: nobody else's account is
   * connected, and nobody connects theirs to the organization of somebody else.
   *
   * @throws AuthorizationFailedError, GoogleUnavailableError
   */
  async finish(userId: string, state: string, code: string): Promise<GoogleConnection> {
    const authorization = await this.pending.take(state);
    if (authorization === undefined) throw new AuthorizationFailedError('the state is not known');
    const { organizationId, codeVerifier, memberSince } = authorization;
    if (authorization.userId !== userId || organizationId !== this.database.scope.organizationId) {
      throw new AuthorizationFailedError('the state is of somebody else');
    }
    if (memberSince !== (await this.memberSince(userId))) {
      throw new AuthorizationFailedError('the role has changed since');
    }
    const granted = await this.google.exchange(code, codeVerifier);
    if (granted === undefined) throw new AuthorizationFailedError('Google does not take the code');
    return this.store(granted.email.toLowerCase(), granted.tokens);
  }

  async list(): Promise<GoogleConnection[]> {
    return this.database.client.googleConnection.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] });
  }

  /** @throws ConnectionNotFoundError */
  async get(id: string): Promise<GoogleConnection> {
    const connection = await this.database.client.googleConnection.findUnique({ where: { id } });
    if (connection === null) throw new ConnectionNotFoundError(id);
    return connection;
  }

  /**
   * Ends a connection: Google forgets it first, then this service.
   *
   * @throws ConnectionNotFoundError, GoogleUnavailableError
   */
  async disconnect(id: string): Promise<void> {
    const connection = await this.get(id);
    if (connection.refreshToken !== null)
      await this.google.revoke(this.decrypt(connection, connection.refreshToken));
    await this.database.transaction(async (client) => {
      await client.googleConnection.updateMany({
        where: { id },
        data: {
          status: 'DISCONNECTED',
          accessToken: null,
          refreshToken: null,
          expiresAt: null,
          deletedAt: new Date(),
          version: { increment: 1 },
        },
      });
      await this.audit.record('connection.disconnected', id);
    });
  }

  /**
   * An access token that is good for some minutes at least. Of all who need a new one at the same moment, in whatever
   * process, one asks Google.
   *
   * @throws ConnectionNotFoundError, ReconnectRequiredError, GoogleUnavailableError
   */
  async accessToken(id: string): Promise<string> {
    const connection = await this.get(id);
    await this.rotateKey(connection);
    const current = this.currentToken(connection);
    if (current !== undefined) return current;
    return this.renewOnce(id);
  }

  /**
   * Another access token, for one that Google refuses though its time is not over.
   *
   * @throws ConnectionNotFoundError, ReconnectRequiredError, GoogleUnavailableError
   */
  async renewedAccessToken(id: string, refused: string): Promise<string> {
    await this.get(id);
    return this.renewOnce(id, refused);
  }

  private async memberSince(userId: string): Promise<number | undefined> {
    const member = await this.database.client.membership.findFirst({ where: { userId } });
    return member?.updatedAt.getTime();
  }

  private async renewOnce(id: string, refused?: string): Promise<string> {
    const key = `${id} ${refused ?? ''}`;
    const running = this.renewals.get(key);
    if (running !== undefined) return running;
    const renewal = this.renew(id, refused).finally(() => this.renewals.delete(key));
    this.renewals.set(key, renewal);
    return renewal;
  }

  /**
   * Renews the access token, or waits until another process has. A lease in the row keeps renewals apart, not a lock: no
   * connection of the pool is held while Google is asked.
   */
  private async renew(id: string, refused?: string): Promise<string> {
    const waitUntil = Date.now() + WAIT_MS;
    do {
      const connection = await this.get(id);
      const current = this.currentToken(connection);
      if (current !== undefined && current !== refused) return current;
      const { refreshToken } = connection;
      if (refreshToken === null) throw new ReconnectRequiredError(id);
      const lease = await this.lease(connection);
      if (lease !== undefined) return this.renewUnderLease({ ...connection, refreshToken }, lease, refused);
      await sleep(POLL_MS * (0.5 + Math.random()));
    } while (Date.now() < waitUntil);
    throw new GoogleUnavailableError({ context: { connectionId: id, failure: 'RENEWAL_TIMEOUT' } });
  }

  private async renewUnderLease(
    { refreshToken, ...connection }: Renewable,
    lease: string,
    refused: string | undefined,
  ): Promise<string> {
    const { id } = connection;
    const leased = { id, renewalId: lease };
    const { googleConnection } = this.database.client;
    try {
      const refreshed = await this.google.refresh(this.decrypt(connection, refreshToken));
      if (refreshed.isRevoked) {
        // If the renewal was superseded, only the token that it has used is revoked, and there is another one.
        if (!(await this.requireReconnection(leased))) return await this.renew(id, refused);
        throw new ReconnectRequiredError(id);
      }
      const { tokens } = refreshed;
      const { count } = await googleConnection.updateMany({
        where: leased,
        data: { ...this.encrypted(connection, tokens), ...NO_RENEWAL },
      });
      if (count === 0) await this.get(id); // disconnected meanwhile
      return tokens.accessToken;
    } catch (error) {
      if (!(error instanceof ReconnectRequiredError))
        await googleConnection.updateMany({ where: leased, data: NO_RENEWAL });
      throw error;
    }
  }

  /**
   * Stored before anybody is told, so that nobody asks Google again.
   *
   * @returns false if the renewal was superseded: the connection stays as it is
   */
  private async requireReconnection(leased: { id: string; renewalId: string }): Promise<boolean> {
    return this.database.transaction(async (client) => {
      const { count } = await client.googleConnection.updateMany({
        where: leased,
        data: {
          status: 'RECONNECT_REQUIRED',
          accessToken: null,
          refreshToken: null,
          expiresAt: null,
          version: { increment: 1 },
          ...NO_RENEWAL,
        },
      });
      if (count > 0) await this.audit.record('connection.reconnect-required', leased.id);
      return count > 0;
    });
  }

  /**
   * Takes the lease of the row as it was read, by the clock of the database.
   *
   * @returns undefined where another renewal has it, or has changed the tokens since
   */
  private async lease({ id, accessToken, refreshToken }: GoogleConnection): Promise<string | undefined> {
    const lease = uuidv4();
    const rows = await this.database.sql(
      (organizationId) => Prisma.sql`
        UPDATE google_connections
           SET renewal_id = ${lease}::uuid, renewal_ends_at = now() + ${LEASE_MS} * interval '1 millisecond'
         WHERE organization_id = ${organizationId}::uuid AND id = ${id}::uuid AND deleted_at IS NULL
           AND access_token IS NOT DISTINCT FROM ${accessToken}
           AND refresh_token IS NOT DISTINCT FROM ${refreshToken}
           AND (renewal_ends_at IS NULL OR renewal_ends_at < now())
        RETURNING id`,
    );
    return rows.length > 0 ? lease : undefined;
  }

  /** Stores what is under an old key under the current one, unless somebody has stored something else meanwhile. */
  private async rotateKey(connection: GoogleConnection): Promise<void> {
    const { id, accessToken, refreshToken } = connection;
    const { currentPrefix } = this.encryption;
    const messages = [accessToken, refreshToken].filter((message) => message !== null);
    if (messages.every((message) => message.startsWith(currentPrefix))) return;
    const rotated = (message: string | null) =>
      message === null ? null : this.encryption.rotate(message, placeOf(connection));
    await this.database.client.googleConnection.updateMany({
      where: { id, accessToken, refreshToken },
      data: { accessToken: rotated(accessToken), refreshToken: rotated(refreshToken) },
    });
  }

  /** Held until the transaction ends: of two who connect the same account at once, one creates the row. */
  private async lock(googleEmail: string): Promise<void> {
    await this.database.sql(
      (organizationId) => Prisma.sql`
        SELECT pg_advisory_xact_lock(
                 hashtextextended(${organizationId} || ${`google-connection ${googleEmail}`}, 0))::text`,
    );
  }

  /** @throws ReconnectRequiredError */
  private currentToken(connection: GoogleConnection): string | undefined {
    if (connection.status !== 'CONNECTED') throw new ReconnectRequiredError(connection.id);
    const { accessToken, expiresAt } = connection;
    if (accessToken === null || expiresAt === null || expiresAt.getTime() < Date.now() + AHEAD_MS)
      return undefined;
    return this.decrypt(connection, accessToken);
  }

  /** The connection of an account: a new one, or the one that there is, with new tokens. */
  private async store(googleEmail: string, tokens: GrantedTokens): Promise<GoogleConnection> {
    const { organizationId } = this.database.scope;
    return this.database.transaction(async (client) => {
      await this.lock(googleEmail);
      const known = await client.googleConnection.findFirst({ where: { googleEmail } });
      const id = known?.id ?? uuidv7();
      const data = {
        ...this.encrypted({ id, organizationId }, tokens),
        ...NO_RENEWAL,
        status: 'CONNECTED' as const,
      };
      await this.audit.record('connection.connected', id, { scopes: [...tokens.scopes] });
      if (known === null) return client.googleConnection.create({ data: { id, googleEmail, ...data } });
      return client.googleConnection.update({ where: { id }, data: { ...data, version: { increment: 1 } } });
    });
  }

  private encrypted(
    place: Pick<GoogleConnection, 'id' | 'organizationId'>,
    { accessToken, refreshToken, expiresAt, scopes }: GrantedTokens,
  ) {
    return {
      accessToken: this.encryption.encrypt(accessToken, placeOf(place)),
      ...(refreshToken !== undefined && {
        refreshToken: this.encryption.encrypt(refreshToken, placeOf(place)),
      }),
      expiresAt,
      scopes: [...scopes],
    };
  }

  private decrypt(connection: Pick<GoogleConnection, 'id' | 'organizationId'>, message: string): string {
    return this.encryption.decrypt(message, placeOf(connection));
  }
}

function placeOf({ id, organizationId }: Pick<GoogleConnection, 'id' | 'organizationId'>) {
  return { table: TABLE, row: id, owner: organizationId };
}
