import { z } from 'zod';
import { rawBody } from '@/lib/api/body';
import type { Access } from '@/lib/api/handler';
import type { HeaderParameter, Operation } from '@/lib/api/operation';
import { PROBLEMS } from '@/lib/errors/problem-catalog';
import { PROBLEM_HEADERS } from '@/lib/errors/problem-headers';
import { assertOperationIds } from '@/lib/http/operation-ids';

type Schema = z.core.JSONSchema.BaseSchema;

/** A route handler's declaration and where it is, as `/api/v1/projects/{id}`. */
export interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** What any request may be answered with. */
const ALWAYS = [
  'RATE_LIMITED',
  'INTERNAL',
  'OVERLOADED',
  'DATABASE_UNAVAILABLE',
  'LOCK_TIMEOUT',
  'STATEMENT_TIMEOUT',
  'TRANSACTION_CONFLICT',
];
const WITH_INPUT = ['VALIDATION_FAILED'];
const WITH_BODY = ['MALFORMED_JSON', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'REQUEST_TIMEOUT'];
const WITH_CALLER = ['UNAUTHORIZED', 'INSUFFICIENT_SCOPE', 'AUTH_UNAVAILABLE'];

const faults = z.array(z.strictObject({ pointer: z.string(), message: z.string() }));

const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(PROBLEMS) as [string, ...string[]]),
    requestId: z.string(),
    retryAfter: z.int().min(1).optional(),
    error: z.string(),
    errors: faults.optional(),
    details: faults.optional(),
  })
  .meta({
    id: 'Problem',
    description: 'RFC 9457, with the code to branch on and the members error and details',
  });

/** The OpenAPI 3.1 document of the service. */
export function openApiDocument(
  {
    license,
    ...rest
  }: {
    readonly title: string;
    readonly description: string;
    readonly version: string;
    readonly license: string;
  },
  routes: readonly Route[],
): object {
  const components = new Map<string, Schema>();
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, operation } of routes.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    paths[path] ??= {};
    paths[path][method.toLowerCase()] = describe(path, operation, components);
  }
  assertOperationIds(paths);
  return {
    openapi: '3.1.0',
    info: { ...rest, license: { name: license } },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An access token of Supabase Auth, or where an operation names a scope an API key that has it.',
        },
      },
      schemas: Object.fromEntries([...components].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

function describe(path: string, operation: Operation, components: Map<string, Schema>): object {
  const { access, body, headers = [] } = operation;
  return {
    operationId: operation.operationId,
    summary: operation.summary,
    tags: [path.split('/')[3] ?? 'service'],
    security: securityOf(access),
    parameters: [
      ...parameters('path', operation.params, components),
      ...parameters('query', operation.query, components),
      ...headers.map((header) => headerParameter(header, components)),
    ],
    ...(body && {
      requestBody: {
        required: true,
        content: {
          'application/json': body === rawBody ? {} : { schema: jsonSchema(body, 'input', components) },
        },
      },
    }),
    responses: { ...answers(operation, components), ...problems(operation, components) },
  };
}

/** Each alternative names what the bearer must be: a signed-in user, an administrator, or a key with a scope. */
function securityOf(access: Access): object[] {
  if (access === 'public') return [];
  if (access === 'session' || access === 'admin') return [{ bearer: [access] }];
  return [{ bearer: ['session'] }, { bearer: [access] }];
}

function parameters(
  place: 'path' | 'query',
  schema: z.ZodType | undefined,
  components: Map<string, Schema>,
): object[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input', components);
  return Object.entries(properties).map(([name, member]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: member,
  }));
}

const headerParameter = (
  { name, required, description, schema }: HeaderParameter,
  components: Map<string, Schema>,
) => ({ name, in: 'header', required, description, schema: jsonSchema(schema, 'input', components) });

function answers({ answers = {} }: Operation, components: Map<string, Schema>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, body]) => {
      const content =
        body === null ? undefined : body instanceof z.ZodType ? { 'application/json': body } : body;
      const described = Object.entries(content ?? {}).map(([type, schema]) => [
        type,
        { schema: jsonSchema(schema, 'output', components) },
      ]);
      return [
        status,
        {
          description: WORDS[status] ?? '',
          ...(content && { content: Object.fromEntries(described) }),
        },
      ];
    }),
  );
}

const WORDS: Readonly<Record<string, string>> = {
  200: 'OK',
  201: 'Created: Location says where it is',
  202: 'Accepted',
  204: 'Done',
  304: 'As it was',
};

/** One entry per status, which names the codes that share it. */
function problems(operation: Operation, components: Map<string, Schema>): Record<string, object> {
  const { access, params, query, body, headers = [] } = operation;
  const codes = new Set([
    ...(params || query || body ? WITH_INPUT : []),
    ...(body ? WITH_BODY : []),
    ...(access === 'public' ? [] : WITH_CALLER),
    ...(access === 'admin' ? ['FORBIDDEN'] : []),
    ...headers.flatMap((header) => header.problems),
    ...(operation.problems ?? []),
    ...ALWAYS,
  ]);
  const byStatus: Record<string, string[]> = {};
  for (const code of codes) {
    const type = PROBLEMS[code];
    if (type === undefined) throw new Error(`${code} is not in the problem catalog`);
    byStatus[type.status] ??= [];
    byStatus[type.status]?.push(code);
  }
  const content = { 'application/problem+json': { schema: jsonSchema(problem, 'output', components) } };
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, names]) => [
      status,
      { description: names.join(', '), headers: PROBLEM_HEADERS[Number(status)], content },
    ]),
  );
}

/** A schema in JSON Schema 2020-12; those with an `id` go to the components. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output', components: Map<string, Schema>): Schema {
  const {
    $schema: _,
    $defs = {},
    ...own
  } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      delete jsonSchema.id;
      // Longer than all else together, and said by the format.
      if (jsonSchema.format?.startsWith('date')) delete jsonSchema.pattern;
    },
  });
  for (const [name, definition] of Object.entries($defs)) {
    const before = components.get(name);
    const now = withComponents(definition);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(now)) {
      throw new Error(`Two schemas have the id ${name}.`);
    }
    components.set(name, now);
  }
  return withComponents(own);
}

const withComponents = (schema: Schema): Schema =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
