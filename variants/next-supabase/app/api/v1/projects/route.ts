import { created, page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { IDEMPOTENCY_KEY } from '@/lib/api/operation';
import { data, pageOf, pageQuery } from '@/lib/api/schemas';
import { etag } from '@/lib/http/etag';
import { once } from '@/lib/idempotency/replay';
import { project, projectInput } from '@/lib/projects/project';
import { createProject, listProjects } from '@/lib/projects/projects';

export const GET = handler(
  {
    operationId: 'listProjects',
    summary: 'The projects of which the user is a member, newest first',
    access: 'projects:read',
    query: pageQuery,
    answers: { 200: pageOf(project) },
  },
  async ({ caller, query }) => page(await listProjects(caller.userId, query)),
);

export const POST = handler(
  {
    operationId: 'createProject',
    summary: 'Creates a project that the user owns',
    access: 'projects:write',
    headers: [IDEMPOTENCY_KEY],
    body: projectInput,
    answers: { 201: data(project) },
  },
  async ({ request, caller, body }) =>
    once(caller.userId, request, body, async (tx) => {
      const made = await createProject(tx, caller, body);
      return created(made, `/api/v1/projects/${made.id}`, { etag: etag(made.version) });
    }),
);
