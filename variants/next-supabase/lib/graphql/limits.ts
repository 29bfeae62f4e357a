import {
  type ASTVisitor,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';

const MAX_DEPTH = 6;
/** About how many values an answer may hold. */
const MAX_COST = 5_000;
const MAX_ALIASES = 20;

const DEFAULT_LIMIT = 20;
const HIGHEST_LIMIT = 100;

/** What a selection comes to. */
interface Size {
  readonly depth: number;
  readonly cost: number;
  readonly aliases: number;
}

const NOTHING: Size = { depth: 0, cost: 0, aliases: 0 };

/**
 * Refuses operations that are too deep, would answer too much, or name the same field over and over. Written here, since
 * graphql-armor is made for GraphQL.js 16, whose errors are none to GraphQL.js 17.
 */
export function limitsRule(context: ValidationContext): ASTVisitor {
  const fragments = new Map<string, Size>();

  const sizeOfFragment = (fragment: FragmentDefinitionNode): Size => {
    const name = fragment.name.value;
    const known = fragments.get(name);
    if (known !== undefined) return known;
    fragments.set(name, NOTHING); // one that holds itself is refused by a rule of GraphQL's own
    const size = sizeOf(fragment.selectionSet);
    fragments.set(name, size);
    return size;
  };

  const sizeOf = (set: SelectionSetNode | undefined): Size => {
    let size = NOTHING;
    for (const selection of set?.selections ?? []) {
      size = sum(size, sizeOfSelection(selection));
    }
    return size;
  };

  const sizeOfSelection = (selection: SelectionSetNode['selections'][number]): Size => {
    if (selection.kind === Kind.INLINE_FRAGMENT) return sizeOf(selection.selectionSet);
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const fragment = context.getFragment(selection.name.value);
      return fragment ? sizeOfFragment(fragment) : NOTHING;
    }
    const inner = sizeOf(selection.selectionSet);
    return {
      depth: inner.depth + 1,
      cost: 1 + inner.cost * itemsOf(selection),
      aliases: inner.aliases + (selection.alias === undefined ? 0 : 1),
    };
  };

  return {
    OperationDefinition(operation) {
      const { depth, cost, aliases } = sizeOf(operation.selectionSet);
      const refuse = (what: string, found: number, limit: number) =>
        context.reportError(
          new GraphQLError(`The operation has ${what} ${found}; at most ${limit} is allowed.`, {
            nodes: operation,
            extensions: { code: 'OPERATION_TOO_LARGE' },
          }),
        );
      if (depth > MAX_DEPTH) refuse('a depth of', depth, MAX_DEPTH);
      if (cost > MAX_COST) refuse('a cost of', cost, MAX_COST);
      if (aliases > MAX_ALIASES) refuse('a number of aliases of', aliases, MAX_ALIASES);
    },
  };
}

const sum = (one: Size, other: Size): Size => ({
  depth: Math.max(one.depth, other.depth),
  cost: one.cost + other.cost,
  aliases: one.aliases + other.aliases,
});

/** How many items a list may have: `limit`, which a variable may set as high as it goes. Whatever has none is one thing. */
function itemsOf({ name, arguments: given = [] }: FieldNode): number {
  const limit = given.find((argument) => argument.name.value === 'limit')?.value;
  if (limit?.kind === Kind.INT) return Math.min(Math.max(Number(limit.value), 1), HIGHEST_LIMIT);
  if (limit !== undefined) return HIGHEST_LIMIT;
  return LISTS.has(name.value) ? DEFAULT_LIMIT : 1;
}

const LISTS = new Set(['projects', 'members']);
