import { connection } from 'next/server';
import { Status } from './status';

/** Rendered for each request: the nonce of the Content-Security-Policy is a new one each time. */
export default async function Page() {
  await connection();
  return <Status />;
}
