import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeaders } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';

/** The request's header, for pipes: Nest's own `@Headers` passes by them. */
const ValidatedHeaders = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<FastifyRequest>().headers,
);

/** How the OpenAPI document describes the fields of a header schema. */
export function headerFields(schema: z.ZodObject) {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' });
  return Object.entries(properties).map(([name, field]) => {
    const { description, ...rest } = field as z.core.JSONSchema.Schema;
    return { name, required: false, description, schema: rest as object };
  });
}

/** The header fields that `schema` names, validated and documented: `@RequestHeaders({ schema })`. */
export function RequestHeaders({ schema }: { schema: z.ZodObject }): ParameterDecorator {
  return (target, key, index) => {
    ValidatedHeaders({ schema })(target, key, index);
    const method = key === undefined ? undefined : Object.getOwnPropertyDescriptor(target, key);
    if (key !== undefined && method !== undefined) ApiHeaders(headerFields(schema))(target, key, method);
  };
}
