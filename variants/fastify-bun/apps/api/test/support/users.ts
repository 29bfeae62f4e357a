import type { Answer, HttpClient } from './service.js';

export const PASSWORD = 'correct horse battery';

/** Somebody who is logged in. */
export interface TestUser {
  readonly id: string;
  readonly email: string;
  /** Headers with which requests are this user's. */
  readonly auth: { readonly authorization: string };
}

let count = 0;

/** Signs somebody up, through the front door. */
export async function signUp(service: HttpClient, name = 'Ada'): Promise<TestUser> {
  const email = `user-${++count}-${Date.now()}@example.com`;
  const { status, body }: Answer = await service.post('/api/auth/sign-up/email', {
    name,
    email,
    password: PASSWORD,
  });
  if (status !== 200) throw new Error(`sign-up answered ${status}: ${JSON.stringify(body)}`);
  return { id: body.user.id, email, auth: { authorization: `Bearer ${body.token}` } };
}
