import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { CONFIG } from '../common/config/config.module.js';
import { Encryption } from '../common/crypto/encryption.js';
import type { Config } from '../config/config.js';
import { Database } from '../database/database.js';
import { type GoogleConnection, Prisma } from '../generated/prisma/client.js';
import { ReconnectRequiredError } from '../google/google.errors.js';
import { GoogleOAuthService, type GrantedTokens } from '../google/google-oauth.service.js';
import { AuthorizationFailedError, ConnectionNotFoundError } from './google-connections.errors.js';
import { PendingAuthorizations } from './pending-authorizations.js';

/** A token is renewed this long before it ends, so that no call to Google begins with one that ends meanwhile. */
const AHEAD_MS = 5 * 60 * 1_000;

const TABLE = 'google_connections';

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
    await this.pending.remember(state, { organizationId, userId, codeVerifier });
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
    const { organizationId, codeVerifier } = authorization;
    if (authorization.userId !== userId || organizationId !== this.database.scope.organizationId) {
      throw new AuthorizationFailedError('the state is of somebody else');
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
    const running = this.renewals.get(id);
    if (running !== undefined) return running;
    const renewal = this.renew(id).finally(() => this.renewals.delete(id));
    this.renewals.set(id, renewal);
    return renewal;
  }

  /**
   * Another access token, for one that Google refuses though its time is not over.
   *
   * @throws ConnectionNotFoundError, ReconnectRequiredError, GoogleUnavailableError
   */
  async renewedAccessToken(id: string, refused: string): Promise<string> {
    return this.renew(id, refused);
  }

  private async renew(id: string, refused?: string): Promise<string> {
    const token = await this.database.transaction(async (client) => {
      await this.lock(id);
      // Again, behind the lock: another process may have done it meanwhile.
      const connection = await this.get(id);
      const current = this.currentToken(connection);
      if (current !== undefined && current !== refused) return current;
      if (connection.refreshToken === null) return undefined;
      const refreshed = await this.google.refresh(this.decrypt(connection, connection.refreshToken));
      if (refreshed.isRevoked) {
        await client.googleConnection.updateMany({
          where: { id },
          data: {
            status: 'RECONNECT_REQUIRED',
            accessToken: null,
            refreshToken: null,
            expiresAt: null,
            version: { increment: 1 },
          },
        });
        await this.audit.record('connection.reconnect-required', id);
        return undefined; // committed, before anybody is told
      }
      const { tokens } = refreshed;
      await client.googleConnection.updateMany({ where: { id }, data: this.encrypted(connection, tokens) });
      return tokens.accessToken;
    });
    if (token === undefined) throw new ReconnectRequiredError(id);
    return token;
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

  /** Held until the transaction ends. Who waits for it waits for Google, which may take longer than locks usually do. */
  private async lock(id: string): Promise<void> {
    await this.database.sql(
      (organizationId) => Prisma.sql`
        SELECT set_config('lock_timeout', '15s', true),
               pg_advisory_xact_lock(hashtextextended(${organizationId} || ${`google-connection ${id}`}, 0))::text`,
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
      const data = { ...this.encrypted({ id, organizationId }, tokens), status: 'CONNECTED' as const };
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

  private decrypt(connection: GoogleConnection, message: string): string {
    return this.encryption.decrypt(message, placeOf(connection));
  }
}

function placeOf({ id, organizationId }: Pick<GoogleConnection, 'id' | 'organizationId'>) {
  return { table: TABLE, row: id, owner: organizationId };
}
