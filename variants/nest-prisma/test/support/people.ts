import { randomUUID } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import type { Answer, TestService } from './service.js';
import { SETTINGS } from './settings.js';

/** Somebody who is signed in, and acts for an organization. */
export interface Client {
  readonly email: string;
  readonly token: string;
  readonly userId: string;
  readonly organizationId: string;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  patch(path: string, body: unknown, version?: number): Promise<Answer>;
  remove(path: string, version?: number): Promise<Answer>;
}

/** Asks the local issuer, as a browser asks Firebase. */
async function firebase(path: string, body: object): Promise<Record<string, string>> {
  const url = `http://${process.env.FIREBASE_AUTH_EMULATOR_HOST}/identitytoolkit.googleapis.com/v1/${path}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}

/** An ID token for somebody with this address. */
export async function signIn(email: string, emailVerified = true): Promise<string> {
  const { idToken = '' } = await firebase('accounts:signInWithPassword', { email, emailVerified });
  return idToken;
}

/** What an administrator does in the Firebase console. */
export async function changeAccount(email: string, change: object): Promise<void> {
  await firebase('projects/demo-local/accounts:update', { localId: `local:${email}`, ...change });
}

export const anEmail = () => `${randomUUID()}@example.com`;

/** Somebody new, with an organization that is theirs. */
export async function newOwner(service: TestService): Promise<Client> {
  const email = anEmail();
  const token = await signIn(email);
  const { status, body } = await service.post(
    '/api/v1/organizations',
    { name: 'Acme' },
    { authorization: `Bearer ${token}` },
  );
  if (status !== 201) throw new Error(`POST /organizations answered ${status}: ${JSON.stringify(body)}`);
  return asClient(service, email, body.id);
}

/** Somebody new who is a member of the owner's organization. */
export async function newMember(
  service: TestService,
  owner: Client,
  role: 'ADMIN' | 'MEMBER' | 'VIEWER' | 'OWNER',
): Promise<Client> {
  const email = anEmail();
  await join(service, owner, email, role);
  return asClient(service, email, owner.organizationId);
}

/** Invites the user of an address, who accepts. */
export async function join(
  service: TestService,
  owner: Client,
  email: string,
  role: 'ADMIN' | 'MEMBER' | 'VIEWER' | 'OWNER',
): Promise<void> {
  const { status } = await owner.post('/api/v1/members/invitations', { email, role });
  if (status !== 201) throw new Error(`the invitation answered ${status}`);
  const accepted = await accept(service, await signIn(email), owner.organizationId);
  if (accepted.status !== 204) throw new Error(`accepting answered ${accepted.status}`);
}

/** Accepts an invitation by a token. */
export function accept(service: TestService, token: string, organizationId: string): Promise<Answer> {
  const path = `/api/v1/me/invitations/${organizationId}/accept`;
  return service.post(path, undefined, { authorization: `Bearer ${token}` });
}

/** Signs somebody in again, to act for an organization. */
export async function asClient(service: TestService, email: string, organizationId: string): Promise<Client> {
  const token = await signIn(email);
  const authorization = { authorization: `Bearer ${token}` };
  const me = await service.get('/api/v1/me', authorization);
  const own = { ...authorization, 'x-organization-id': organizationId };
  const ifMatch = (version?: number) => ({
    ...own,
    ...(version !== undefined && { 'if-match': `"${version}"` }),
  });
  return {
    email,
    token,
    userId: me.body.userId,
    organizationId,
    get: (path, headers) => service.get(path, { ...own, ...headers }),
    post: (path, body, headers) => service.post(path, body, { ...own, ...headers }),
    patch: (path, body, version) => service.patch(path, body, ifMatch(version)),
    remove: (path, version) => service.request('DELETE', path, undefined, ifMatch(version)),
  };
}

/** The token of another service, with what a test changes about it. */
export async function serviceToken(
  organizationId: string,
  change: { key?: string; audience?: string; issuedAt?: number; claims?: object } = {},
): Promise<string> {
  const key = change.key ?? SETTINGS.SERVICE_TOKEN_KEYS?.replace('dev_', '') ?? '';
  const issuedAt = change.issuedAt ?? Math.floor(Date.now() / 1_000);
  return new JwtService().signAsync(
    { organization_id: organizationId, iat: issuedAt, exp: issuedAt + 120, ...change.claims },
    {
      secret: Buffer.from(key, 'hex'),
      algorithm: 'HS256',
      issuer: 'billing',
      audience: change.audience ?? SETTINGS.SERVICE_TOKEN_AUDIENCE,
    },
  );
}

let counter = 0;

/** Creates a customer, and gives what was answered. */
export async function createCustomer(client: Client, changes: object = {}) {
  counter += 1;
  const { status, body } = await client.post('/api/v1/customers', {
    name: `Customer ${counter}`,
    email: anEmail(),
    ...changes,
  });
  if (status !== 201) throw new Error(`POST /customers answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** Creates a tracking, and gives what was answered. */
export async function createTracking(client: Client, customerId: string, changes: object = {}) {
  counter += 1;
  const { status, body } = await client.post('/api/v1/trackings', {
    customerId,
    name: `Tracking ${counter}`,
    kind: 'PAGE_VIEW',
    ...changes,
  });
  if (status !== 201) throw new Error(`POST /trackings answered ${status}: ${JSON.stringify(body)}`);
  return body;
}
