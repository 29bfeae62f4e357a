import { z } from 'zod';
import { created, page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data, id, pageOf, pageQuery } from '@/lib/api/schemas';
import { addMember, listMembers, member, memberInput } from '@/lib/members/members';

const params = z.strictObject({ id });

export const GET = handler(
  {
    operationId: 'listMembers',
    summary: 'The members of a project, those who joined first at the top',
    access: 'projects:read',
    params,
    query: pageQuery,
    answers: { 200: pageOf(member) },
    problems: ['PROJECT_NOT_FOUND'],
  },
  async ({ caller, params, query }) => page(await listMembers(caller.userId, params.id, query)),
);

export const POST = handler(
  {
    operationId: 'addMember',
    summary: 'Adds a member to a project',
    access: 'session',
    params,
    body: memberInput,
    answers: { 201: data(member) },
    problems: ['PROJECT_NOT_FOUND', 'USER_NOT_FOUND', 'MEMBER_EXISTS', 'FORBIDDEN'],
  },
  async ({ caller, params, body }) => {
    const added = await addMember(caller.userId, params.id, body);
    return created(added, `/api/v1/projects/${params.id}/members/${added.userId}`);
  },
);
