import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { REDIS } from '../common/redis/redis.module.js';

/** How long a user may take to agree. */
const LIFETIME_S = 600;

const pending = z.object({
  organizationId: z.uuid(),
  userId: z.uuid(),
  codeVerifier: z.string(),
  /** When the membership of the user last changed, in milliseconds: a change of the role voids the authorization. */
  memberSince: z.number().optional(),
});

export type PendingAuthorization = z.output<typeof pending>;

/** Users who were sent to Google and are not back yet, by the state that comes back with them. */
@Injectable()
export class PendingAuthorizations {
  constructor(@Inject(REDIS) private readonly redis: Redis) {}

  newState(): string {
    return randomBytes(32).toString('base64url');
  }

  async remember(state: string, authorization: PendingAuthorization): Promise<void> {
    await this.redis.set(`oauth-state:${state}`, JSON.stringify(authorization), 'EX', LIFETIME_S);
  }

  /** Each state is good for one use. */
  async take(state: string): Promise<PendingAuthorization | undefined> {
    const text = await this.redis.getdel(`oauth-state:${state}`);
    return text === null ? undefined : pending.parse(JSON.parse(text));
  }
}
