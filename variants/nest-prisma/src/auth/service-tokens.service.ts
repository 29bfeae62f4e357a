import { Inject, Injectable } from '@nestjs/common';
import { JsonWebTokenError, JwtService } from '@nestjs/jwt';
import { z } from 'zod';
import { CONFIG } from '../common/config/config.module.js';
import type { Config } from '../config/config.js';
import { UnauthorizedError } from './auth.errors.js';

/** The algorithm of service tokens; those of Firebase are RS256. */
const ALGORITHM = 'HS256';

/** A service signs a token for each call, or for a few: one that is older was stolen, or comes from a broken clock. */
const MAX_AGE_S = 300;

/** How far the clocks of two machines may be apart. */
const CLOCK_SKEW_S = 30;

const claims = z.object({
  iss: z.string().regex(/^[a-z0-9-]{1,63}$/),
  organization_id: z.uuid(),
  exp: z.int(),
  iat: z.int(),
});

/** What the token of another service says. */
export interface ServiceToken {
  readonly service: string;
  readonly organizationId: string;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Checks the tokens of other services: JWT, HS256 under a key that is shared with them, for this audience, at most five
 * minutes old, on behalf of one organization.
 */
@Injectable()
export class ServiceTokensService {
  private readonly keys: readonly Buffer[];

  constructor(
    private readonly jwt: JwtService,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.keys = config.SERVICE_TOKEN_KEYS.map((key) => Buffer.from(key.replace(/^dev_/, ''), 'hex'));
  }

  /** Whether a token says that it is one of these; whether it is any good is another matter. */
  recognizes(token: string): boolean {
    const decoded = this.jwt.decode<{ header: { alg?: string } } | null>(token, { complete: true });
    if (decoded === null) throw new UnauthorizedError('the token is no JWT');
    return decoded.header.alg === ALGORITHM;
  }

  /** @throws UnauthorizedError */
  async verify(token: string): Promise<ServiceToken> {
    const result = claims.safeParse(await this.payload(token));
    if (!result.success) throw new UnauthorizedError('the service token has other claims than it should');
    const { iss, organization_id: organizationId, exp, iat } = result.data;
    if (iat > Date.now() / 1_000 + CLOCK_SKEW_S)
      throw new UnauthorizedError('the service token is from the future');
    return { service: iss, organizationId, expiresAt: exp * 1_000 };
  }

  private async payload(token: string): Promise<unknown> {
    let reason = 'there is no key for service tokens';
    for (const secret of this.keys) {
      try {
        return await this.jwt.verifyAsync<object>(token, {
          secret,
          algorithms: [ALGORITHM],
          audience: this.config.SERVICE_TOKEN_AUDIENCE,
          maxAge: MAX_AGE_S,
          clockTolerance: CLOCK_SKEW_S,
        });
      } catch (error) {
        if (!(error instanceof JsonWebTokenError)) throw error;
        reason = error.message;
      }
    }
    throw new UnauthorizedError(reason);
  }
}
