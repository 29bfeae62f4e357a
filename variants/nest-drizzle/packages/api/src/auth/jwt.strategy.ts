import { role } from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { z } from 'zod';
import { CONFIG } from '../common/config/config.module.js';
import { DomainError } from '../common/errors/domain-error.js';
import type { Config } from '../config/config.js';
import { type Principal, TokensService } from './tokens.service.js';

const claims = z.object({ sub: z.uuid(), tid: z.uuid(), sid: z.uuid().optional(), role, exp: z.int() });

const header = z.object({ alg: z.literal('ES256'), kid: z.string() });

/** Passport's JWT strategy: one algorithm, the keys that `kid` names, issuer, audience and expiry. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor(tokens: TokensService, @Inject(CONFIG) config: Config) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      algorithms: ['ES256'],
      issuer: config.JWT_ISSUER,
      audience: config.JWT_AUDIENCE,
      secretOrKeyProvider: (
        _request: unknown,
        token: string,
        done: (error: Error | null, key?: string) => void,
      ) => {
        const key = keyOf(token, tokens);
        if (key === undefined) done(new Error('the token names no key of ours'));
        else done(null, key);
      },
    });
  }

  /** The claims were signed by us, and are read as strictly as any other input. */
  validate(payload: unknown): Principal {
    const result = claims.safeParse(payload);
    if (!result.success) throw new DomainError('The token has other claims than ours.', 'INVALID_TOKEN');
    const { sub, tid, sid, role, exp } = result.data;
    return { userId: sub, tenantId: tid, sessionId: sid, role, expiresAt: exp * 1_000 };
  }
}

function keyOf(token: string, tokens: TokensService): string | undefined {
  try {
    const result = header.safeParse(
      JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString()),
    );
    return result.success ? tokens.publicKey(result.data.kid) : undefined;
  } catch {
    return undefined;
  }
}
