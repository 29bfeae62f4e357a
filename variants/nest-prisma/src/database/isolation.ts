import { isDate } from 'node:util/types';
import { Prisma } from '../generated/prisma/client.js';
import { RELATIONS, type Relation } from './relations.js';
import type { OrganizationScope } from './scope.js';

/** The code asks for what would cross the border of an organization, or lose what is kept. A mistake in the code. */
export class IsolationError extends Error {
  override name = 'IsolationError';
}

type Model = Prisma.ModelName;
type Arguments = Readonly<Record<string, unknown>>;

const FIELDS: Readonly<Record<Model, Readonly<Record<string, string>>>> = {
  User: Prisma.UserScalarFieldEnum,
  Organization: Prisma.OrganizationScalarFieldEnum,
  Membership: Prisma.MembershipScalarFieldEnum,
  Invitation: Prisma.InvitationScalarFieldEnum,
  Customer: Prisma.CustomerScalarFieldEnum,
  Tracking: Prisma.TrackingScalarFieldEnum,
  GoogleConnection: Prisma.GoogleConnectionScalarFieldEnum,
  TrackingSetup: Prisma.TrackingSetupScalarFieldEnum,
  TrackingSetupStep: Prisma.TrackingSetupStepScalarFieldEnum,
  SyncRun: Prisma.SyncRunScalarFieldEnum,
  GoogleResource: Prisma.GoogleResourceScalarFieldEnum,
  DeadLetter: Prisma.DeadLetterScalarFieldEnum,
  AuditLog: Prisma.AuditLogScalarFieldEnum,
  IdempotencyKey: Prisma.IdempotencyKeyScalarFieldEnum,
};

const has = (model: Model, field: string): boolean => Object.hasOwn(FIELDS[model], field);

/**
 * Rewrites the arguments of one operation of Prisma so that it reaches the rows of the scope's organization alone, and
 * of those none that is soft-deleted unless its filter gives `deletedAt` a value itself, and none that needs a soft-deleted row
 * (`needs` in relations.ts). Prisma's extensions see the outermost operation only; this walks down into whatever is nested in it: filters, included relations, counts and writes.
 *
 * Every filter is added to what the caller asks for (`AND`), never put in its place.
 */
export class Isolation {
  constructor(private readonly scope: OrganizationScope) {}

  /** @throws IsolationError */
  rewrite(model: Model, operation: string, args: Arguments): Arguments {
    switch (operation) {
      case 'findFirst':
      case 'findFirstOrThrow':
      case 'findMany':
      case 'count':
      case 'aggregate':
      case 'groupBy':
        return this.read(model, args);
      case 'create':
        return { ...this.selection(model, args), data: this.create(model, args.data) };
      case 'createMany':
      case 'createManyAndReturn':
        return { ...this.selection(model, args), data: each(args.data, (row) => this.create(model, row)) };
      case 'update':
      case 'updateMany':
      case 'updateManyAndReturn':
        return {
          ...this.selection(model, args),
          where: this.where(model, args.where),
          data: this.update(model, args.data),
        };
      case 'upsert':
        return {
          ...this.selection(model, args),
          where: this.where(model, args.where),
          create: this.create(model, args.create),
          update: this.update(model, args.update),
        };
      case 'delete':
      case 'deleteMany':
        assertMayDelete(model);
        return { ...this.selection(model, args), where: this.where(model, args.where) };
      default:
        // findUnique is one of these: see isolation.extension.ts.
        throw new IsolationError(`${model}.${operation} is not known to keep organizations apart.`);
    }
  }

  private read(model: Model, args: Arguments): Arguments {
    return {
      ...this.selection(model, args),
      ...(args.orderBy !== undefined && {
        orderBy: each(args.orderBy, (order) => assertOrder(model, order)),
      }),
      where: this.where(model, args.where),
    };
  }

  /** A filter, with that of the organization and of soft deletion added to it. Fits where a unique field is asked for, too. */
  private where(model: Model, given: unknown): Arguments {
    const where = asObject(given);
    const restriction = {
      ...(model === 'Organization' && { id: this.scope.organizationId }),
      ...(has(model, 'organizationId') && { organizationId: this.scope.organizationId }),
      ...(has(model, 'deletedAt') && !restricts(where.deletedAt) && { deletedAt: null }),
      ...this.needed(model),
    };
    const { AND, ...rest } = this.filter(model, where);
    return { ...rest, AND: [restriction, ...(AND === undefined ? [] : [AND].flat())] };
  }

  /** That the rows are there which a row needs, and those that they need. */
  private needed(model: Model): Arguments {
    const needed = Object.entries(RELATIONS[model]).filter(([, { isNeeded }]) => isNeeded);
    return Object.fromEntries(
      needed.map(([name, relation]) => [name, { is: this.where(relation.model, {}) }]),
    );
  }

  /** Goes through a filter to those of relations in it. */
  private filter(model: Model, where: Arguments): Arguments {
    return mapMembers(where, (name, value) => {
      if (name === 'AND' || name === 'OR' || name === 'NOT') {
        return each(value, (part) => this.filter(model, asObject(part)));
      }
      const relation = relationOf(model, name);
      return relation === undefined || value === null
        ? value
        : this.relationFilter(relation, asObject(value));
    });
  }

  private relationFilter({ model, isList }: Relation, filter: Arguments): Arguments {
    if (!isList && !('is' in filter) && !('isNot' in filter)) return this.where(model, filter);
    return mapMembers(filter, (name, value) => {
      if (value === null || value === undefined) return value;
      if (name === 'every') return this.every(model, asObject(value));
      // `isNot` is true of rows that are out of reach as well: nothing is learnt of them.
      return this.where(model, value);
    });
  }

  /** Of the rows that are not deleted: a deleted one does not count against it. */
  private every(model: Model, filter: Arguments): Arguments {
    const wanted = this.filter(model, filter);
    if (!has(model, 'deletedAt') || restricts(filter.deletedAt)) return wanted;
    return { OR: [{ deletedAt: { not: null } }, wanted] };
  }

  /** `include` and `select` of an operation or of a relation in it, with the other arguments as they are. */
  private selection(model: Model, args: Arguments): Arguments {
    return mapMembers(args, (name, value) => {
      if ((name !== 'include' && name !== 'select') || typeof value !== 'object' || value === null)
        return value;
      return mapMembers(asObject(value), (field, wanted) => {
        if (wanted === false || wanted === undefined) return wanted;
        if (field === '_count') return this.counts(model, wanted);
        const relation = relationOf(model, field);
        return relation === undefined
          ? wanted
          : this.related(relation, wanted === true ? {} : asObject(wanted));
      });
    });
  }

  /**
   * The rows of a relation. One that leads to a single row takes no filter in Prisma: the foreign key keeps it in the
   * organization, and it is there unless it is soft-deleted, e.g. the connection of an operation that has ended.
   */
  private related({ model, isList }: Relation, args: Arguments): Arguments | true {
    if (isList) return this.read(model, args);
    return Object.keys(args).length === 0 ? true : this.selection(model, args);
  }

  private counts(model: Model, wanted: unknown): unknown {
    const lists = Object.entries(RELATIONS[model]).filter(([, { isList }]) => isList);
    const asked =
      wanted === true
        ? Object.fromEntries(lists.map(([name]) => [name, true]))
        : asObject(asObject(wanted).select);
    return {
      select: mapMembers(asked, (name, value) => {
        const relation = relationOf(model, name);
        if (relation === undefined || value === false || value === undefined) return value;
        return { where: this.where(relation.model, value === true ? {} : asObject(value).where) };
      }),
    };
  }

  private create(model: Model, given: unknown): Arguments {
    const data = this.write(model, given);
    const { organizationId = this.scope.organizationId } = data;
    if (organizationId !== this.scope.organizationId) {
      throw new IsolationError(`${model} was to be created for another organization than the scope's.`);
    }
    return has(model, 'createdBy') ? { ...data, createdBy: this.scope.userId } : data;
  }

  private update(model: Model, given: unknown): Arguments {
    for (const name of ['organizationId', 'createdBy', 'createdAt', 'organization']) {
      if (asObject(given)[name] !== undefined) throw new IsolationError(`${model}.${name} never changes.`);
    }
    return this.write(model, given);
  }

  /** The data of a write, with what is nested in it. */
  private write(model: Model, given: unknown): Arguments {
    return mapMembers(asObject(given), (name, value) => {
      const relation = relationOf(model, name);
      if (relation === undefined || value === undefined) return value;
      return mapMembers(asObject(value), (operation, operand) => this.nested(relation, operation, operand));
    });
  }

  private nested({ model, isList }: Relation, operation: string, operand: unknown): unknown {
    if (operand === undefined) return operand;
    switch (operation) {
      case 'create':
        return each(operand, (data) => this.create(model, data));
      case 'createMany':
        return {
          ...asObject(operand),
          data: each(asObject(operand).data, (row) => this.create(model, row)),
        };
      case 'connectOrCreate':
        return each(operand, (pair) => ({
          where: this.where(model, asObject(pair).where),
          create: this.create(model, asObject(pair).create),
        }));
      case 'connect':
      case 'set':
      case 'disconnect':
        return typeof operand === 'boolean' ? operand : each(operand, (where) => this.where(model, where));
      case 'update':
        return isList
          ? each(operand, (pair) => this.pair(model, asObject(pair)))
          : this.pair(model, asPair(asObject(operand)));
      case 'updateMany':
        return each(operand, (pair) => {
          assertNamed(model, operation, asObject(pair).where);
          return this.pair(model, asObject(pair));
        });
      case 'upsert':
        return each(operand, (triple) => ({
          where: this.where(model, asObject(triple).where),
          create: this.create(model, asObject(triple).create),
          update: this.update(model, asObject(triple).update),
        }));
      case 'delete':
      case 'deleteMany':
        assertMayDelete(model);
        if (typeof operand === 'boolean') return operand;
        return each(operand, (where) => {
          assertNamed(model, operation, where);
          return this.where(model, where);
        });
      default:
        throw new IsolationError(
          `${operation} of a nested ${model} is not known to keep organizations apart.`,
        );
    }
  }

  private pair(model: Model, { where, data }: Arguments): Arguments {
    return { where: this.where(model, where), data: this.update(model, data) };
  }
}

function relationOf(model: Model, field: string): Relation | undefined {
  return Object.hasOwn(RELATIONS[model], field) ? RELATIONS[model][field] : undefined;
}

/** `update` of a single row is `{ where, data }`, or the data by themselves. */
function asPair(operand: Arguments): Arguments {
  const isPair = Object.keys(operand).every((name) => name === 'where' || name === 'data');
  return isPair ? operand : { data: operand };
}

/** Operations that act on the rows, or the first row, that a filter leaves. */
const ACTS_ON_REST: ReadonlySet<string> = new Set([
  'findFirst',
  'findFirstOrThrow',
  'update',
  'updateMany',
  'updateManyAndReturn',
  'upsert',
  'delete',
  'deleteMany',
]);

/**
 * Prisma ignores members of a filter that are undefined or empty. In a list that is "no filter"; here the operation would act
 * on rows that nobody has named. For all rows, leave `where` out.
 *
 * @throws IsolationError
 */
export function assertRowsNamed(model: Model, operation: string, args: unknown): void {
  if (!ACTS_ON_REST.has(operation) || args === undefined || !('where' in asObject(args))) return;
  const where = asObject(asObject(args).where);
  if (isEmpty(where)) throw withoutEffect(model, operation, 'where');
  assertNamed(model, operation, where);
}

function assertNamed(model: Model, operation: string, where: unknown): void {
  const blank = blankMember(model, where);
  if (blank !== undefined) throw withoutEffect(model, operation, blank);
}

function withoutEffect(model: Model, operation: string, member: string): IsolationError {
  return new IsolationError(
    `${model}.${operation}: ${member} is undefined or empty, so other rows would be reached. Give it a value, or leave it out.`,
  );
}

/** Whether a filter of rows excludes none. */
function isEmpty(where: Arguments): boolean {
  return Object.keys(where).every((name) => name === 'deletedAt' && !restricts(where[name]));
}

/** The first member of a filter without effect. `deletedAt` may be one: then the filter of soft deletion is added. */
function blankMember(model: Model, filter: unknown): string | undefined {
  for (const [name, value] of Object.entries(asObject(filter))) {
    if (name === 'deletedAt') continue;
    if (name === 'AND' || name === 'OR' || name === 'NOT') {
      // Of alternatives, an empty one is true of every row.
      const parts = [value].flat();
      if (parts.length === 0 || parts.some((part) => isEmpty(asObject(part)))) return name;
      const blank = parts.map((part) => blankMember(model, part)).find((each) => each !== undefined);
      if (blank !== undefined) return blank;
      continue;
    }
    const relation = relationOf(model, name);
    if (relation === undefined ? isBlank(value) : isBlankRelation(relation, value)) return name;
  }
  return undefined;
}

/** An empty filter of a relation is one: it asks whether there is a row. An empty `every` is true of all rows. */
function isBlankRelation({ model }: Relation, value: unknown): boolean {
  if (value === undefined) return true;
  if (value === null) return false;
  const filter = asObject(value);
  const parts = RELATION_FILTERS.filter((name) => name in filter);
  if (parts.length === 0) return blankMember(model, filter) !== undefined;
  return parts.some((name) => {
    const part = filter[name];
    if (part === null) return false;
    const isAll = name === 'every' && isEmpty(asObject(part));
    return part === undefined || isAll || blankMember(model, part) !== undefined;
  });
}

const RELATION_FILTERS = ['is', 'isNot', 'some', 'none', 'every'] as const;

/** Members of a filter of a field that only say how the others compare. */
const MODIFIERS: ReadonlySet<string> = new Set(['mode', 'path']);

/**
 * Whether a filter of a field has an operator that is undefined, or none. Operands are values, also an empty object where the
 * field holds JSON; only `not` takes another filter.
 */
function isBlank(filter: unknown): boolean {
  if (filter === undefined) return true;
  if (typeof filter !== 'object' || filter === null || Object.getPrototypeOf(filter) !== Object.prototype)
    return false;
  const members = Object.entries(filter);
  if (members.every(([name]) => MODIFIERS.has(name))) return true;
  return members.some(([name, operand]) => (name === 'not' ? isBlank(operand) : operand === undefined));
}

/** What is soft-deleted is never deleted otherwise; the application's role could not do it, either. */
function assertMayDelete(model: Model): void {
  if (has(model, 'deletedAt')) {
    throw new IsolationError(`${model} is soft-deleted: set deletedAt instead.`);
  }
}

/** Prisma cannot filter the rows that it counts for an order. */
function assertOrder(model: Model, order: unknown): unknown {
  for (const [name, value] of Object.entries(asObject(order))) {
    const relation = relationOf(model, name);
    if (relation === undefined) continue;
    if (relation.isList)
      throw new IsolationError(`${model} cannot be ordered by ${name}: deleted rows count there.`);
    assertOrder(relation.model, value);
  }
  return order;
}

/**
 * Whether a filter of a field excludes any row. Prisma ignores `undefined`, and operators whose value is `undefined`;
 * `notIn: []` is true of every row.
 */
function restricts(filter: unknown): boolean {
  if (filter === undefined) return false;
  if (typeof filter !== 'object' || filter === null || isDate(filter)) return true;
  return Object.values(filter).some(restricts);
}

/** Prisma takes one item or a list of them in most places. */
function each<Result>(value: unknown, change: (item: unknown) => Result): unknown {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? value.map(change) : change(value);
}

function mapMembers(object: Arguments, change: (name: string, value: unknown) => unknown): Arguments {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(name, value)]));
}

function asObject(value: unknown): Arguments {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null) return value as Arguments;
  throw new IsolationError('An argument of Prisma has a form that is not known.');
}
