import { createHmac } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Config } from '../../config/config.js';
import { CONFIG } from '../config/config.module.js';

/** Names of OWASP's Logging Vocabulary where it has one. */
export type SecurityEvent =
  | 'authn_login_fail'
  | 'authn_login_lock'
  | 'authn_password_change'
  | 'authn_token_reuse'
  | 'authz_change'
  | 'excess_rate_limit_exceeded'
  | 'invitation_created'
  | 'invitation_withdrawn'
  | 'member_added'
  | 'member_removed'
  | 'user_created';

/** Whom an event is about. Ids and hashes only: no address, name or password. */
export interface SecurityFields {
  /** The user whose account, membership or role changes. */
  readonly userId?: string | undefined;
  /** The user who changes it, if that is another one. */
  readonly actorId?: string | undefined;
  readonly tenantId?: string | undefined;
  /** See `accountHash`. */
  readonly account?: string | undefined;
  readonly [detail: string]: string | undefined;
}

/** Logs events of security as lines with the member `event`. Call it after the commit: what is logged has happened. */
@Injectable()
export class SecurityLog {
  private readonly logger = new Logger('Security');
  private readonly key: string;

  constructor(@Inject(CONFIG) config: Config) {
    this.key = config.JWT_KEYS.join();
  }

  log(event: SecurityEvent, fields: SecurityFields): void {
    this.logger.log({ event, ...fields }, 'security event');
  }

  warn(event: SecurityEvent, fields: SecurityFields): void {
    this.logger.warn({ event, ...fields }, 'security event');
  }

  /** Identifies an address that may have no account. The hash is keyed, because addresses can be guessed. */
  accountHash(email: string): string {
    return createHmac('sha256', this.key).update(`account:${email}`).digest('base64url').slice(0, 22);
  }
}
