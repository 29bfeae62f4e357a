import { AsyncLocalStorage } from 'node:async_hooks';
import type { Role } from '../generated/prisma/enums.js';
import type { ScopeStatement } from './scoped-query.js';

/** On behalf of an organization, and of a person or a program in it. */
export interface OrganizationScope {
  readonly organizationId: string;
  /** The user, where a person acts: stamped as `createdBy`. */
  readonly userId: string | null;
  /** The role that the user must still have when a transaction begins; it is locked until the transaction ends. */
  readonly requires?: Role | undefined;
}

/** On behalf of a person who signs in, before it is known for which organization. */
export interface IdentityScope {
  readonly firebaseUid: string;
  /** The address, where Firebase has verified it. */
  readonly verifiedEmail: string | null;
  /** The user's id, once it is known. */
  readonly userId: string | null;
}

/**
 * On behalf of nobody: the worker looks, in all organizations, for what is not finished and has no job. It may read which
 * rows those are, and nothing else; the policies say which tables.
 */
export interface RedeliveryScope {
  readonly purpose: 'redelivery';
}

export type Scope = OrganizationScope | IdentityScope | RedeliveryScope;

/** The code reached the database without saying on whose behalf. That is a mistake in the code, never in a request. */
export class NoScopeError extends Error {
  override name = 'NoScopeError';

  constructor() {
    super(
      'There is no scope here: run this inside Database.run(), which requests and jobs do. ' +
        'A query of Prisma runs where it is awaited, so await it in there.',
    );
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The scope of the code that runs now. `Database.run()` opens it; nothing else should. */
export const scopes = new AsyncLocalStorage<Scope>();

/** @throws NoScopeError */
export function currentScope(): Scope {
  const scope = scopes.getStore();
  if (scope === undefined) throw new NoScopeError();
  return scope;
}

export function isOrganizationScope(scope: Scope): scope is OrganizationScope {
  return 'organizationId' in scope;
}

export function isIdentityScope(scope: Scope): scope is IdentityScope {
  return 'firebaseUid' in scope;
}

export function isRedeliveryScope(scope: Scope): scope is RedeliveryScope {
  return 'purpose' in scope;
}

/** @throws TypeError where the scope names something that cannot be one */
export function assertScope(scope: Scope): void {
  if (isRedeliveryScope(scope)) return;
  const ids = isOrganizationScope(scope) ? [scope.organizationId, scope.userId] : [scope.userId];
  if (ids.some((id) => id !== null && !UUID.test(id))) {
    throw new TypeError('A scope names organizations and users by their UUIDs.');
  }
}

/** How PostgreSQL plans a prepared statement: anew for its parameters, once for all of them, or as it sees fit. */
export type Plans = 'force_custom_plan' | 'force_generic_plan' | 'auto';

/**
 * The settings that the policies of row-level security read, by kind of scope. What a scope says is in parameters: the text
 * is the same for all, so that it is prepared once, and traces, which have the text, do not tell who somebody is.
 */
const organization = statement('scope_of_organization', [
  'app.organization_id',
  'app.user_id',
  'plan_cache_mode',
]);
const identity = statement('scope_of_identity', ['app.firebase_uid', 'app.verified_email', 'app.user_id']);
const redelivery = statement('scope_of_redelivery', ['app.redelivery', 'plan_cache_mode']);

/** What each connection prepares: the same for all scopes of a kind. */
export const SCOPE_STATEMENTS = [organization, identity, redelivery];

export function scopeStatement(scope: Scope, plans: Plans = 'auto'): ScopeStatement {
  // It finds its rows by indexes of certain states only, which no plan that is the same for all parameters uses.
  if (isRedeliveryScope(scope)) return { ...redelivery, values: ['on', 'force_custom_plan'] };
  if (isOrganizationScope(scope)) {
    return { ...organization, values: [scope.organizationId, scope.userId ?? '', plans] };
  }
  return { ...identity, values: [scope.firebaseUid, scope.verifiedEmail ?? '', scope.userId ?? ''] };
}

/** The settings are local to the transaction: a connection that goes back to the pool remembers nothing. */
function statement(name: string, settings: readonly string[]) {
  const calls = settings.map((setting, index) => `set_config('${setting}', $${index + 1}, true)`);
  return { name, text: `SELECT ${calls.join(', ')}` };
}
