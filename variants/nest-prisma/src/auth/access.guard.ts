import {
  applyDecorators,
  type CallHandler,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth, ApiHeader } from '@nestjs/swagger';
import type { Request } from 'express';
import { Observable, Subscription } from 'rxjs';
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
    const needed =
      this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [
        context.getHandler(),
        context.getClass(),
      ]) ?? 'VIEWER';
    if (needed === 'public') return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const { authorization } = request.headers;
    if (needed === 'person') {
      request.principal = await this.auth.person(authorization);
      return true;
    }
    request.principal = await this.auth.member(authorization, request.get('x-organization-id'));
    const { role } = request.principal;
    if (role === null || !includesRole(role, needed))
      throw new ForbiddenError(`members with the role ${needed}`);
    return true;
  }
}

/** Runs the handler in the scope of the principal: see `Database`. */
@Injectable()
export class ScopeInterceptor implements NestInterceptor {
  constructor(private readonly database: Database) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (principal === undefined) return next.handle();
    return new Observable((subscriber) => {
      const work = new Subscription();
      this.database
        .run(scopeOfPrincipal(principal), () => {
          // Not awaited: a handler may answer with a stream, whose values go on as they come.
          work.add(next.handle().subscribe(subscriber));
        })
        .catch((error) => subscriber.error(error));
      return work;
    });
  }
}

/** For guards that look at data: they run before `ScopeInterceptor` does. */
export function scopeOf(context: ExecutionContext): Scope {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (principal === undefined) throw new Error('the endpoint is public: there is no scope');
  return scopeOfPrincipal(principal);
}

function scopeOfPrincipal({ identity, organizationId }: Principal): Scope {
  if (organizationId !== null) return { organizationId, userId: identity.userId };
  if (identity.kind === 'service') throw new Error('a service acts for an organization');
  const { firebaseUid, verifiedEmail, userId } = identity;
  return { firebaseUid, verifiedEmail, userId };
}
