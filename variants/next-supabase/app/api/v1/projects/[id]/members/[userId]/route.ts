import { noContent, ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { changeMember, member, memberChanges, memberParams, removeMember } from '@/lib/members/members';

export const PATCH = handler(
  {
    operationId: 'changeMember',
    summary: 'Gives a member another role',
    access: 'session',
    params: memberParams,
    body: memberChanges,
    answers: { 200: data(member) },
    problems: ['PROJECT_NOT_FOUND', 'MEMBER_NOT_FOUND', 'FORBIDDEN'],
  },
  async ({ caller, params, body }) => ok(await changeMember(caller.userId, params.id, params.userId, body)),
);

export const DELETE = handler(
  {
    operationId: 'removeMember',
    summary: 'Removes a member, or lets one leave',
    access: 'session',
    params: memberParams,
    answers: { 204: null },
    problems: ['PROJECT_NOT_FOUND', 'MEMBER_NOT_FOUND', 'FORBIDDEN'],
  },
  async ({ caller, params }) => {
    await removeMember(caller.userId, params.id, params.userId);
    return noContent();
  },
);
