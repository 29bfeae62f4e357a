import { AsyncLocalStorage } from 'node:async_hooks';
import {
  applyDecorators,
  type CallHandler,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth, ApiHeader } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { concatMap, map, Observable, Subscription, takeWhile } from 'rxjs';
import { Database } from '../database/database.js';
import type { Scope } from '../database/scope.js';
import { ForbiddenError } from './auth.errors.js';
import { AuthService } from './auth.service.js';
import { includesRole, type Principal, type Role } from './principal.js';

interface AuthenticatedRequest extends Request {
  principal?: Principal;
}

const ACCESS = Symbol('ACCESS');

type Access = 'public' | 'person' | Role;

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The endpoint is for everybody. Without one of these, it is for members with the role VIEWER at least. */
export const Public = () => SetMetadata(ACCESS, 'public' satisfies Access);

/** The endpoint is for people who are signed in, whether or not they are a member of an organization. */
export const ForPeople = () =>
  applyDecorators(SetMetadata(ACCESS, 'person' satisfies Access), ApiBearerAuth());

/** The endpoint is for members with this role, or one that includes it. */
export const Needs = (role: Role) => SetMetadata(ACCESS, role satisfies Access);

/** How the OpenAPI document describes what each endpoint of an organization takes. */
export const ForMembers = () =>
  applyDecorators(
    ApiBearerAuth(),
    ApiHeader({
      name: 'X-Organization-Id',
      required: false,
      description: 'the organization to act for; needed by members of several',
      schema: { type: 'string', format: 'uuid' },
    }),
  );

/** Who makes the request. */
export const CurrentPrincipal = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Principal => {
    const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (principal === undefined) throw new Error('the endpoint is public: there is no principal');
    return principal;
  },
);

/** Every endpoint needs a token, unless it is marked as public, and a role in the organization that it acts for. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly auth: AuthService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const needed = accessOf(this.reflector, context);
    if (needed === 'public') return true;
    const http = context.switchToHttp();
    http.getResponse<Response>().set('cache-control', 'no-store');
    const request = http.getRequest<AuthenticatedRequest>();
    const { authorization } = request.headers;
    if (needed === 'person') {
      request.principal = await this.auth.person(authorization);
      return true;
    }
    const isPlainRead = needed === 'VIEWER' && SAFE_METHODS.has(request.method);
    const requires = isPlainRead ? undefined : needed;
    request.principal = await this.auth.member(authorization, request.get('x-organization-id'), requires);
    const { role } = request.principal;
    if (role === null || !includesRole(role, needed))
      throw new ForbiddenError(`members with the role ${needed}`);
    return true;
  }
}

function accessOf(reflector: Reflector, context: ExecutionContext): Access {
  const targets = [context.getHandler(), context.getClass()];
  return reflector.getAllAndOverride<Access | undefined>(ACCESS, targets) ?? 'VIEWER';
}

/**
 * Runs the handler in the scope of the principal: see `Database`. A stream ends when its token or the role does: each value
 * after the first is sent only if the same request would still be allowed.
 */
@Injectable()
export class ScopeInterceptor implements NestInterceptor {
  private readonly logger = new Logger(ScopeInterceptor.name);

  constructor(
    private readonly database: Database,
    private readonly auth: AuthService,
    private readonly reflector: Reflector,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const { principal } = request;
    if (principal === undefined) return next.handle();
    const needed = accessOf(this.reflector, context);
    // Bound here, outside of the organization's scope: checking a token needs another one.
    const isStillAllowed = AsyncLocalStorage.bind(() => this.isStillAllowed(request, principal, needed));
    return new Observable((subscriber) => {
      const work = new Subscription();
      const values = () =>
        next.handle().pipe(
          concatMap(async (value: unknown, index) => ({
            value,
            isAllowed: index === 0 || (await isStillAllowed()),
          })),
          takeWhile(({ isAllowed }) => isAllowed),
          map(({ value }) => value),
        );
      this.database
        .run(scopeOfPrincipal(principal), () => {
          // Not awaited: a handler may answer with a stream, whose values go on as they come.
          work.add(values().subscribe(subscriber));
        })
        .catch((error) => subscriber.error(error));
      return work;
    });
  }

  /** Any failure ends the stream: the client comes again, and is told what is wrong then. */
  private async isStillAllowed(
    { headers: { authorization } }: AuthenticatedRequest,
    { organizationId }: Principal,
    needed: Access,
  ): Promise<boolean> {
    if (needed === 'public') return true;
    try {
      if (needed === 'person' || organizationId === null) {
        await this.auth.person(authorization);
        return true;
      }
      const { role } = await this.auth.member(authorization, organizationId, needed);
      return role !== null && includesRole(role, needed);
    } catch (error) {
      this.logger.debug({ err: error }, 'a stream of events was ended');
      return false;
    }
  }
}

/** For guards that look at data: they run before `ScopeInterceptor` does. */
export function scopeOf(context: ExecutionContext): Scope {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (principal === undefined) throw new Error('the endpoint is public: there is no scope');
  return scopeOfPrincipal(principal);
}

function scopeOfPrincipal({ identity, organizationId, requires }: Principal): Scope {
  if (organizationId !== null) return { organizationId, userId: identity.userId, requires };
  if (identity.kind === 'service') throw new Error('a service acts for an organization');
  const { firebaseUid, verifiedEmail, userId } = identity;
  return { firebaseUid, verifiedEmail, userId };
}
