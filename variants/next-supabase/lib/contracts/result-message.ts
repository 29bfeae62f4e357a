import { z } from 'zod';

const text = z.string().min(1);
const paths = z.array(text);

const apiEndpoint = z
  .strictObject({
    method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    path: z.string().startsWith('/api/'),
    operationId: text.describe('As openapi.json has it.'),
  })
  .meta({ id: 'ApiEndpoint' });

/** What has come of a task. What is completed names what it delivers; what is blocked or failed says why. */
export const backendResultMessage = z
  .strictObject({
    taskId: text.max(200),
    status: z.enum(['completed', 'in-progress', 'blocked', 'failed']),
    deliverables: z
      .strictObject({
        endpoints: z.array(apiEndpoint),
        migrations: paths.describe('Files under supabase/migrations/.'),
        tests: paths.describe('Files under test/.'),
        documentation: paths.describe('Files that say what is new.'),
      })
      .optional(),
    performance: z
      .strictObject({
        averageResponseTime: z.number().min(0).describe('Milliseconds.'),
        p95ResponseTime: z.number().min(0).describe('Milliseconds.'),
        throughput: z.number().min(0).describe('Requests per second.'),
      })
      .optional()
      .describe('Measured, as GET /api/v1/admin/metrics has it.'),
    issues: z.array(text).optional(),
  })
  .refine(({ status, deliverables }) => status !== 'completed' || deliverables !== undefined, {
    path: ['deliverables'],
    message: 'must be there when the task is completed',
  })
  .refine(({ status, issues = [] }) => (status !== 'blocked' && status !== 'failed') || issues.length > 0, {
    path: ['issues'],
    message: 'must say why the task is blocked or has failed',
  })
  .meta({ title: 'BackendResultMessage' });

export type BackendResultMessage = z.output<typeof backendResultMessage>;
