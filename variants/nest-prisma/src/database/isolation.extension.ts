import { Prisma } from '../generated/prisma/client.js';
import { assertRowsNamed, Isolation, IsolationError } from './isolation.js';
import { isRawAllowed } from './raw-door.js';
import { currentScope, isOrganizationScope, isRedeliveryScope } from './scope.js';

/** What a person who signs in may look at before it is known for which organization; the policies say which rows. */
const OF_IDENTITY: ReadonlySet<string> = new Set(['User', 'Membership', 'Organization', 'Invitation']);

/** What the worker looks at in all organizations: see `RedeliveryScope`. */
const OF_REDELIVERY: ReadonlySet<string> = new Set(['TrackingSetup', 'SyncRun', 'GoogleConnection']);

/**
 * Keeps organizations apart: see `Isolation` for how. Everything that Prisma is asked for goes through here, also inside of
 * interactive transactions; what runs outside of a scope is refused.
 *
 * Prisma gathers the `findUnique` calls of one tick into one query, and with those of several requests, which would then all
 * run in the scope of the first. `findFirst` is never gathered, so `findUnique` is `findFirst` here.
 */
export const isolationExtension = Prisma.defineExtension({
  name: 'isolation',
  model: {
    $allModels: {
      async findUnique<Model, Args>(
        this: Model,
        args: Prisma.Exact<Args, Prisma.Args<Model, 'findUnique'>>,
      ): Promise<Prisma.Result<Model, Args, 'findUnique'>> {
        return delegateOf(this).findFirst(flattenUnique(args)) as Promise<
          Prisma.Result<Model, Args, 'findUnique'>
        >;
      },
      async findUniqueOrThrow<Model, Args>(
        this: Model,
        args: Prisma.Exact<Args, Prisma.Args<Model, 'findUniqueOrThrow'>>,
      ): Promise<Prisma.Result<Model, Args, 'findUniqueOrThrow'>> {
        return delegateOf(this).findFirstOrThrow(flattenUnique(args)) as Promise<
          Prisma.Result<Model, Args, 'findUniqueOrThrow'>
        >;
      },
    },
  },
  query: {
    $allOperations({ model, operation, args, query }) {
      const scope = currentScope();
      if (model === undefined) {
        if (!isRawAllowed())
          throw new IsolationError(`${operation}: use Database.sql(), which names the organization.`);
        return query(args);
      }
      assertRowsNamed(model as Prisma.ModelName, operation, args);
      if (isRedeliveryScope(scope)) {
        if (!OF_REDELIVERY.has(model) || operation !== 'findMany')
          throw new IsolationError(`${model}.${operation} is not for the worker that redelivers jobs.`);
        return query(args);
      }
      if (!isOrganizationScope(scope)) {
        if (!OF_IDENTITY.has(model))
          throw new IsolationError(`${model} belongs to an organization; the scope has none.`);
        return query(args);
      }
      return query(new Isolation(scope).rewrite(model as Prisma.ModelName, operation, args ?? {}));
    },
  },
});

/** What findUnique takes beside the unique fields, and restricts nothing where it is undefined. */
const MAY_BE_UNDEFINED: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT', 'deletedAt']);

interface Delegate {
  findFirst(args: unknown): Promise<unknown>;
  findFirstOrThrow(args: unknown): Promise<unknown>;
}

function delegateOf(model: unknown): Delegate {
  return Prisma.getExtensionContext(model) as unknown as Delegate;
}

/**
 * `{ organizationId_id: { organizationId, id } }` names a compound key; findFirst wants its parts. It would find any row by
 * an id that is undefined, which findUnique refuses.
 */
function flattenUnique(args: unknown): unknown {
  const { where, ...rest } = args as { where: Record<string, unknown> };
  const parts = Object.entries(where).map(([name, value]) =>
    name.includes('_') && typeof value === 'object' && value !== null ? value : { [name]: value },
  );
  const flat: Record<string, unknown> = Object.assign({}, ...parts);
  const missing = Object.keys(flat).find((name) => flat[name] === undefined && !MAY_BE_UNDEFINED.has(name));
  if (missing !== undefined)
    throw new IsolationError(`A unique row was asked for, and ${missing} is undefined.`);
  return { ...rest, where: flat };
}
