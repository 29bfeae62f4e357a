import { z } from 'zod';
import { noContent, ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { id } from '@/lib/api/schemas';
import { etag, matchesNone, requiredVersion } from '@/lib/http/etag';
import { type Project, projectChanges, projectInput } from '@/lib/projects/project';
import { deleteProject, getProject, updateProject } from '@/lib/projects/projects';

const params = z.strictObject({ id });

const withTag = (project: Project) => ok(project, { etag: etag(project.version) });

const ifMatch = (request: Request) => requiredVersion(request.headers.get('if-match') ?? undefined);

export const GET = handler({ access: 'projects:read', params }, async ({ request, caller, params }) => {
  const project = await getProject(caller.userId, params.id);
  const known = matchesNone(request.headers.get('if-none-match') ?? undefined, project.version);
  return known ? { status: 304, headers: { etag: etag(project.version) } } : withTag(project);
});

export const PUT = handler(
  { access: 'projects:write', params, body: projectInput },
  async ({ request, caller, params, body }) =>
    withTag(await updateProject(caller.userId, params.id, ifMatch(request), body)),
);

export const PATCH = handler(
  { access: 'projects:write', params, body: projectChanges },
  async ({ request, caller, params, body }) =>
    withTag(await updateProject(caller.userId, params.id, ifMatch(request), body)),
);

export const DELETE = handler({ access: 'projects:write', params }, async ({ request, caller, params }) => {
  await deleteProject(caller.userId, params.id, ifMatch(request));
  return noContent();
});
