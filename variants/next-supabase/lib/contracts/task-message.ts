import { z } from 'zod';

const method = z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
const text = z.string().min(1);

/** An endpoint that is wanted. */
export const apiSpecification = z
  .strictObject({
    endpoint: z
      .string()
      .regex(/^\/api\/v\d+\//)
      .describe('The path, with its parameters as {id}.'),
    method,
    authentication: z.enum(['required', 'session', 'admin', 'none']),
    scope: text.optional().describe('The scope that an API key needs; without one no key is let in.'),
    parameters: z.record(text, text).describe('What each parameter of path, query and body is, by its name.'),
    response: z.record(text, text).describe('What each member of the answer is, by its name.'),
  })
  .meta({ id: 'ApiSpecification' });

/** A statement that takes too long. */
export const queryOptimizationRequest = z
  .strictObject({
    query: text.describe('As GET /api/v1/admin/metrics or the log names it.'),
    currentMs: z.number().positive().describe('95 of 100 executions take less.'),
    targetMs: z.number().positive(),
    plan: text.optional().describe('EXPLAIN (ANALYZE, BUFFERS), on data of the real size.'),
  })
  .meta({ id: 'QueryOptimizationRequest' });

/** Something that does not do what it should. */
export const bugReport = z
  .strictObject({
    summary: text,
    steps: z.array(text).min(1),
    expected: text,
    actual: text,
    code: text.optional().describe('Of the problem document.'),
    requestId: text.optional().describe('Leads to the log lines and to the trace.'),
  })
  .meta({ id: 'BugReport' });

/** An external service that is to be used. */
export const integrationRequest = z
  .strictObject({
    service: text,
    purpose: text,
    operations: z.array(text).min(1),
    documentation: z.url().optional(),
    settings: z.array(z.string().regex(/^[A-Z][A-Z0-9_]*$/)).default([]),
    fallback: text.optional().describe('What happens while the service does not answer.'),
  })
  .meta({ id: 'IntegrationRequest' });

const specifications = {
  api: apiSpecification.optional(),
  query: queryOptimizationRequest.optional(),
  bug: bugReport.optional(),
  integration: integrationRequest.optional(),
};

const message = z.strictObject({
  taskId: text.max(200),
  priority: z.enum(['high', 'medium', 'low']),
  dependencies: z.array(text.max(200)).optional().describe('Tasks that must be completed first.'),
});

/** What is to be done. The specification that belongs to the type must be there. */
export const backendTaskMessage = z
  .discriminatedUnion('type', [
    message.extend({
      type: z.literal('create-api'),
      specifications: z.strictObject({ ...specifications, api: apiSpecification }),
    }),
    message.extend({
      type: z.literal('optimize-query'),
      specifications: z.strictObject({ ...specifications, query: queryOptimizationRequest }),
    }),
    message.extend({
      type: z.literal('fix-bug'),
      specifications: z.strictObject({ ...specifications, bug: bugReport }),
    }),
    message.extend({
      type: z.literal('integrate-service'),
      specifications: z.strictObject({ ...specifications, integration: integrationRequest }),
    }),
  ])
  .meta({ title: 'BackendTaskMessage' });

export type BackendTaskMessage = z.output<typeof backendTaskMessage>;
