import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type App, applicationDefault, deleteApp, initializeApp } from 'firebase-admin/app';
import { type Auth, type DecodedIdToken, getAuth } from 'firebase-admin/auth';
import { CONFIG } from '../common/config/config.module.js';
import type { Config } from '../config/config.js';
import { IdentityProviderUnavailableError, UnauthorizedError } from './auth.errors.js';

/** What the Admin SDK says of a token that is no good; whatever else it says is no fault of the token. */
const REFUSALS: ReadonlySet<string> = new Set([
  'auth/argument-error',
  'auth/id-token-expired',
  'auth/id-token-revoked',
  'auth/invalid-id-token',
  'auth/user-disabled',
  'auth/user-not-found',
]);

const NAME_MAX = 200;

/** What Firebase says of a person. Claims beyond these are not looked at: roles are the database's. */
export interface FirebaseUser {
  readonly uid: string;
  readonly email: string;
  readonly isEmailVerified: boolean;
  readonly name: string | null;
  /** When the token ends, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Checks ID tokens by the Firebase Admin SDK, and that they were not revoked, nor their user disabled. Where
 * FIREBASE_AUTH_EMULATOR_HOST is set, which production refuses, the SDK takes the unsigned tokens of that issuer.
 */
@Injectable()
export class FirebaseService implements OnApplicationShutdown {
  private readonly app: App;
  private readonly auth: Auth;

  constructor(@Inject(CONFIG) config: Config) {
    const options = {
      projectId: config.FIREBASE_PROJECT_ID,
      ...(config.FIREBASE_AUTH_EMULATOR_HOST === undefined && { credential: applicationDefault() }),
    };
    // Named, since the tests have several in a process.
    this.app = initializeApp(options, crypto.randomUUID());
    this.auth = getAuth(this.app);
  }

  /** @throws UnauthorizedError, IdentityProviderUnavailableError */
  async verify(token: string): Promise<FirebaseUser> {
    const claims = await this.check(token);
    // Phone and anonymous sign-in have no address; this service knows people by theirs.
    if (typeof claims.email !== 'string') throw new UnauthorizedError('the token has no email');
    return {
      uid: claims.uid,
      email: claims.email.toLowerCase(),
      isEmailVerified: claims.email_verified === true,
      name: typeof claims.name === 'string' ? readable(claims.name) : null,
      expiresAt: claims.exp * 1_000,
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await deleteApp(this.app);
  }

  private async check(token: string): Promise<DecodedIdToken> {
    try {
      return await this.auth.verifyIdToken(token, true);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (typeof code === 'string' && REFUSALS.has(code)) throw new UnauthorizedError(code);
      throw new IdentityProviderUnavailableError({ cause: error });
    }
  }
}

/** People choose their names freely: no characters that PostgreSQL refuses, and no more than a list can show. */
function readable(name: string): string | null {
  return (
    name
      .replace(/\p{Cc}/gu, ' ')
      .slice(0, NAME_MAX)
      .toWellFormed()
      .trim() || null
  );
}
