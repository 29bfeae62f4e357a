import { TenantDatabase } from '@app/database';
import { includesRole, type Role } from '@app/shared';
import { createParamDecorator, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyReply } from 'fastify';
import { LRUCache } from 'lru-cache';
import { DomainError } from '../common/errors/domain-error.js';
import { NoLongerAMemberError, SessionEndedError } from './auth.errors.js';
import type { Principal } from './tokens.service.js';

interface AuthenticatedRequest {
  readonly headers: { readonly authorization?: string };
  readonly method: string;
  user: Principal;
}

const IS_PUBLIC = Symbol('IS_PUBLIC');
const NEEDED_ROLE = Symbol('NEEDED_ROLE');

/** The endpoint is for everybody. Without this, each needs a token. */
export const Public = () => SetMetadata(IS_PUBLIC, true);

/**
 * The endpoint is for members with this role, or one that includes it. The role is read from `memberships`, before the
 * handler runs and again in each of its transactions; what the access token says does not count.
 */
export const Needs = (role: Role) => SetMetadata(NEEDED_ROLE, role);

/** Who makes the request. */
export const CurrentPrincipal = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Principal => {
    const { user } = context.switchToHttp().getRequest<{ user?: Principal }>();
    if (user === undefined) throw new Error('the endpoint is public: there is no principal');
    return user;
  },
);

/**
 * Every endpoint needs a token, unless it is marked as public; some need a role as well. What follows runs on behalf of
 * the principal's tenant. Reads may only read; transactions that may write fail if the membership or the session has ended.
 */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  /**
   * What tokens said whose signature was checked, until they expire: a client sends the same one with every request, and
   * checking it takes as long as all else that is done for a read.
   */
  private readonly checked = new LRUCache<string, Principal>({ max: 10_000 });

  constructor(
    private readonly reflector: Reflector,
    private readonly tenants: TenantDatabase,
  ) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, targets) === true) return true;
    context.switchToHttp().getResponse<FastifyReply>().header('cache-control', 'no-store');
    await this.authenticate(context);
    const needed = this.reflector.getAllAndOverride<Role | undefined>(NEEDED_ROLE, targets);
    const { user, method } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    this.tenants.enter({
      tenantId: user.tenantId,
      readOnly: method === 'GET' || method === 'HEAD',
      member: {
        userId: user.userId,
        sessionId: user.sessionId,
        isPrivileged: needed !== undefined,
        authorize: (role, hasSession) => assertRight(role, hasSession, needed),
      },
    });
    if (needed !== undefined) await this.tenants.authorize();
    return true;
  }

  private async authenticate(context: ExecutionContext): Promise<void> {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const { authorization = '' } = request.headers;
    const known = this.checked.get(authorization);
    if (known !== undefined) {
      request.user = known;
      return;
    }
    await super.canActivate(context);
    const ttl = (request.user.expiresAt ?? 0) - Date.now();
    if (ttl > 0) this.checked.set(authorization, request.user, { ttl });
  }

  override handleRequest<User>(error: unknown, user: User | false | null): User {
    if (error instanceof DomainError) throw error;
    if (!user)
      throw new DomainError('Send a valid access token: Authorization: Bearer <token>.', 'UNAUTHORIZED');
    return user;
  }
}

/** @param role as the database has it @throws NoLongerAMemberError, SessionEndedError, DomainError FORBIDDEN */
function assertRight(role: Role | undefined, hasSession: boolean, needed: Role | undefined): void {
  if (role === undefined) throw new NoLongerAMemberError();
  if (!hasSession) throw new SessionEndedError();
  if (needed !== undefined && !includesRole(role, needed))
    throw new DomainError(`This is for members with the role ${needed}.`, 'FORBIDDEN', { role });
}
