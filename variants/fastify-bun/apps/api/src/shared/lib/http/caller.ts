import type { FastifyRequest } from 'fastify';

/** Who calls. */
export interface Principal {
  readonly userId: string;
  /** A program with an API key may use the service, and may not administer the account. */
  readonly via: 'session' | 'api-key';
  /** When the session began; known where the route needs one. */
  readonly loggedInAt?: Date;
  /** Known where `loggedInAt` is. */
  readonly sessionToken?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller, on every route that is not public. */
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** Anybody may call the route. Every other one wants a session or an API key. */
    readonly isPublic?: boolean;
    /** An API key is not enough: the account itself is changed. `fresh`: nor is a log-in of long ago. */
    readonly needsSession?: boolean | 'fresh';
  }
}

/** The id of the user who calls. On a public route there is none, and asking is a mistake in the code. */
export function callerOf({ principal }: Pick<FastifyRequest, 'principal'>): string {
  if (principal === null) throw new Error('the route is public, and has no caller');
  return principal.userId;
}
