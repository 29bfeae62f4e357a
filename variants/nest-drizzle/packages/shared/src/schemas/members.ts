import { z } from 'zod';
import { email, password, role } from './auth.js';
import { id, instant, pageOf, plainText } from './common.js';

export const member = z
  .object({ userId: id, email: z.string(), name: z.string(), role, createdAt: instant })
  .meta({ id: 'Member' });

export const memberPage = pageOf(member).meta({ id: 'MemberPage' });

export const updateMember = z.strictObject({ role }).meta({ id: 'UpdateMember' });

export const createInvitation = z
  .strictObject({ email, role: role.default('member') })
  .meta({ id: 'CreateInvitation' });

export const invitation = z
  .object({ id, email: z.string(), role, expiresAt: instant })
  .meta({ id: 'Invitation' });

export const pendingInvitation = z
  .object({
    id,
    email: z.string(),
    role,
    invitedBy: id.nullable().meta({ description: 'the member who issued it' }),
    expiresAt: instant,
    createdAt: instant,
  })
  .meta({ id: 'PendingInvitation' });

export const pendingInvitationPage = pageOf(pendingInvitation).meta({ id: 'PendingInvitationPage' });

export const acceptInvitation = z
  .strictObject({
    token: z.string().max(200).meta({ description: 'from the mail' }),
    name: plainText(1, 100).meta({ description: 'for a new account; one that exists keeps its name' }),
    password: password.meta({ description: 'of the account, where there is one; else that of the new one' }),
  })
  .meta({ id: 'AcceptInvitation' });

export type Member = z.output<typeof member>;
export type UpdateMember = z.output<typeof updateMember>;
export type CreateInvitation = z.output<typeof createInvitation>;
export type Invitation = z.output<typeof invitation>;
export type PendingInvitation = z.output<typeof pendingInvitation>;
export type AcceptInvitation = z.output<typeof acceptInvitation>;
