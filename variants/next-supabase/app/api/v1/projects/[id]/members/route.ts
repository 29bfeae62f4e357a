import { z } from 'zod';
import { created, page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { id, pageQuery } from '@/lib/api/schemas';
import { addMember, listMembers, memberInput } from '@/lib/members/members';

const params = z.strictObject({ id });

export const GET = handler(
  { access: 'projects:read', params, query: pageQuery },
  async ({ caller, params, query }) => page(await listMembers(caller.userId, params.id, query)),
);

export const POST = handler(
  { access: 'projects:write', params, body: memberInput },
  async ({ caller, params, body }) => {
    const member = await addMember(caller.userId, params.id, body);
    return created(member, `/api/v1/projects/${params.id}/members/${member.userId}`);
  },
);
