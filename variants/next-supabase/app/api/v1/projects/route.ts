import { created, page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { pageQuery } from '@/lib/api/schemas';
import { etag } from '@/lib/http/etag';
import { once } from '@/lib/idempotency/replay';
import { projectInput } from '@/lib/projects/project';
import { createProject, listProjects } from '@/lib/projects/projects';

export const GET = handler({ access: 'projects:read', query: pageQuery }, async ({ caller, query }) =>
  page(await listProjects(caller.userId, query)),
);

export const POST = handler(
  { access: 'projects:write', body: projectInput },
  async ({ request, caller, body }) =>
    once(caller.userId, request, body, async (tx) => {
      const project = await createProject(tx, caller.userId, body);
      return created(project, `/api/v1/projects/${project.id}`, { etag: etag(project.version) });
    }),
);
