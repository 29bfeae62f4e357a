import { z } from 'zod';
import { noContent, ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { IF_MATCH, IF_NONE_MATCH } from '@/lib/api/operation';
import { data, id } from '@/lib/api/schemas';
import { etag, expectedVersion, matchesNone } from '@/lib/http/etag';
import { type Project, project, projectChanges, projectInput } from '@/lib/projects/project';
import { deleteProject, getProject, updateProject } from '@/lib/projects/projects';

const params = z.strictObject({ id });

const withTag = (project: Project) => ok(project, { etag: etag(project.version) });

const ifMatch = (request: Request, userId: string, id: string) =>
  expectedVersion(
    request.headers.get('if-match') ?? undefined,
    async () => (await getProject(userId, id)).version,
  );

export const GET = handler(
  {
    operationId: 'readProject',
    summary: 'A project',
    access: 'projects:read',
    params,
    headers: [IF_NONE_MATCH],
    answers: { 200: data(project), 304: null },
    problems: ['PROJECT_NOT_FOUND'],
  },
  async ({ request, caller, params }) => {
    const found = await getProject(caller.userId, params.id);
    const known = matchesNone(request.headers.get('if-none-match') ?? undefined, found.version);
    return known ? { status: 304, headers: { etag: etag(found.version) } } : withTag(found);
  },
);

export const PUT = handler(
  {
    operationId: 'replaceProject',
    summary: 'Replaces a project: what is left out is what it was in the beginning',
    access: 'projects:write',
    params,
    headers: [IF_MATCH],
    body: projectInput,
    answers: { 200: data(project) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN'],
  },
  async ({ request, caller, params, body }) =>
    withTag(await updateProject(caller, params.id, await ifMatch(request, caller.userId, params.id), body)),
);

export const PATCH = handler(
  {
    operationId: 'changeProject',
    summary: 'Changes a project: what is left out stays as it is',
    access: 'projects:write',
    params,
    headers: [IF_MATCH],
    body: projectChanges,
    answers: { 200: data(project) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN'],
  },
  async ({ request, caller, params, body }) =>
    withTag(await updateProject(caller, params.id, await ifMatch(request, caller.userId, params.id), body)),
);

export const DELETE = handler(
  {
    operationId: 'deleteProject',
    summary: 'Deletes a project; its owner may',
    access: 'projects:write',
    params,
    headers: [IF_MATCH],
    answers: { 204: null },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN'],
  },
  async ({ request, caller, params }) => {
    await deleteProject(caller.userId, params.id, await ifMatch(request, caller.userId, params.id));
    return noContent();
  },
);
