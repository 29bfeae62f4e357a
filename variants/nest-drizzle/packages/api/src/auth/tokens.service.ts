import type { Role } from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { CONFIG } from '../common/config/config.module.js';
import type { Config } from '../config/config.js';
import { type PublicJwk, type SigningKey, toSigningKey } from './signing-keys.js';

/** Who makes a request, and for which tenant; what an access token says. */
export interface Principal {
  readonly userId: string;
  readonly tenantId: string;
  /** The login: the family of its refresh tokens. Access tokens of releases before 0.3.0 name none. */
  readonly sessionId?: string | undefined;
  readonly role: Role;
  /** When the token ends that says so, in milliseconds since 1970. */
  readonly expiresAt?: number;
}

/** The claims of an access token, beside the registered ones. */
export interface AccessClaims {
  readonly sub: string;
  readonly tid: string;
  readonly sid?: string | undefined;
  readonly role: Role;
}

/** Makes access tokens (JWT, ES256), and has the keys that they are checked with. */
@Injectable()
export class TokensService {
  private readonly keys: readonly SigningKey[];

  constructor(
    private readonly jwt: JwtService,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.keys = config.JWT_KEYS.map(toSigningKey);
  }

  /** Signed with the first key; its `kid` is in the header. */
  async signAccessToken({ userId, tenantId, sessionId, role }: Principal): Promise<string> {
    const [key] = this.keys;
    if (key === undefined) throw new Error('there is no key to sign with');
    const claims: AccessClaims = { sub: userId, tid: tenantId, sid: sessionId, role };
    return this.jwt.signAsync(claims, {
      privateKey: key.privatePem,
      algorithm: 'ES256',
      keyid: key.kid,
      issuer: this.config.JWT_ISSUER,
      audience: this.config.JWT_AUDIENCE,
      expiresIn: this.config.ACCESS_TOKEN_TTL_SECONDS,
    });
  }

  /** The key that a token names, in PEM, if it is one of ours. */
  publicKey(kid: unknown): string | undefined {
    return this.keys.find((key) => key.kid === kid)?.publicPem;
  }

  /** What others check our tokens with (RFC 7517). */
  jwks(): { keys: PublicJwk[] } {
    return { keys: this.keys.map(({ jwk }) => jwk) };
  }
}
