import { noContent, ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { changeMember, memberChanges, memberParams, removeMember } from '@/lib/members/members';

export const PATCH = handler(
  { access: 'projects:write', params: memberParams, body: memberChanges },
  async ({ caller, params, body }) => ok(await changeMember(caller.userId, params.id, params.userId, body)),
);

export const DELETE = handler(
  { access: 'projects:write', params: memberParams },
  async ({ caller, params }) => {
    await removeMember(caller.userId, params.id, params.userId);
    return noContent();
  },
);
