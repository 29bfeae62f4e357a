import { call, newUser, type TestUser } from './api';
import { connectOwner } from './database';

/** A user whose tokens say that they are an administrator of the service. */
export async function newAdmin(): Promise<TestUser> {
  const user = await newUser();
  const owner = connectOwner();
  await owner.query(
    `UPDATE auth.users SET raw_app_meta_data = raw_app_meta_data || '{"role": "admin"}' WHERE id = $1`,
    [user.id],
  );
  await owner.end();
  const { body } = await call('POST', '/api/v1/auth/sign-in', {
    body: { email: user.email, password: user.password },
  });
  return { ...user, token: body.data.accessToken };
}
