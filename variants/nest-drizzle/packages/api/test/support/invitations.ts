import { randomUUID } from 'node:crypto';
import type { Role } from '@app/shared';
import { mailsTo, tokenFor } from './mails.js';
import type { Answer, TestService } from './service.js';
import { asClient, type Client, PASSWORD } from './tenants.js';

/** An invitation that was sent, with the token that accepts it. */
export interface SentInvitation {
  readonly id: string;
  readonly email: string;
  readonly token: string;
}

const SUBJECT = 'You are invited';

/** Invites an address, a new one unless it is given. */
export async function sendInvitation(
  inviter: Client,
  role: Role,
  email = `${randomUUID()}@example.com`,
): Promise<SentInvitation> {
  const before = (await mailsTo(email)).filter((mail) => mail.includes(SUBJECT)).length;
  const { status, body } = await inviter.post('/invitations', { email, role });
  if (status !== 201) throw new Error(`POST /invitations answered ${status}: ${JSON.stringify(body)}`);
  return { id: body.id, email, token: await tokenFor(email, SUBJECT, before) };
}

/** Accepts an invitation with a new account. */
export function accept(service: TestService, { token }: SentInvitation): Promise<Answer> {
  return service.post('/auth/accept-invitation', { token, name: 'Grace', password: PASSWORD });
}

/** Makes a new member of the inviter's tenant. */
export async function addMember(service: TestService, inviter: Client, role: Role): Promise<Client> {
  const invitation = await sendInvitation(inviter, role);
  const { status, body } = await accept(service, invitation);
  if (status !== 200) throw new Error(`accepting answered ${status}: ${JSON.stringify(body)}`);
  return asClient(service, invitation.email, body);
}
