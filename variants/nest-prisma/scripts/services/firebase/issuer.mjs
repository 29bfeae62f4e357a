// @ts-check
/**
 * As much of the Firebase Auth emulator as this service's development and tests need: it signs everybody in, whatever the
 * password, and answers the Admin SDK's questions about users. Its tokens are not signed; production refuses them.
 *
 *     node scripts/services/firebase/issuer.mjs <port>
 *     curl http://127.0.0.1:<port>/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword \
 *       -H 'content-type: application/json' -d '{"email":"ada@example.com","password":"any"}'
 */
import { createServer } from 'node:http';
import process from 'node:process';

const PROJECT = process.env.FIREBASE_PROJECT_ID ?? 'demo-local';
const TOKEN_LIFETIME_S = 3_600;

/**
 * What is known of a user beside their address, which their id holds.
 *
 * @type {Map<string, { disabled?: boolean, validSince?: string, emailVerified?: boolean }>}
 */
const users = new Map();

const encode = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** @param {{ email?: string, emailVerified?: boolean }} credentials */
function signIn({ email, emailVerified = true }) {
  if (typeof email !== 'string' || !email.includes('@')) return { status: 400, error: 'INVALID_EMAIL' };
  const uid = `local:${email.toLowerCase()}`;
  const user = { ...users.get(uid), emailVerified };
  users.set(uid, user);
  if (user.disabled) return { status: 400, error: 'USER_DISABLED' };
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: `https://securetoken.google.com/${PROJECT}`,
    aud: PROJECT,
    sub: uid,
    user_id: uid,
    auth_time: now,
    iat: now,
    exp: now + TOKEN_LIFETIME_S,
    email,
    email_verified: emailVerified,
    firebase: { identities: { email: [email] }, sign_in_provider: 'password' },
  };
  const idToken = `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`;
  return { status: 200, body: { localId: uid, email, idToken, expiresIn: `${TOKEN_LIFETIME_S}` } };
}

/** @param {{ localId?: string[] }} question */
function lookUp({ localId = [] }) {
  const known = localId.filter((uid) => uid.startsWith('local:'));
  const found = known.map((uid) => ({
    localId: uid,
    email: uid.slice('local:'.length),
    validSince: '0',
    ...users.get(uid),
  }));
  return { status: 200, body: found.length > 0 ? { users: found } : {} };
}

/** @param {{ localId?: string, disableUser?: boolean, validSince?: string | number }} change */
function update({ localId = '', disableUser, validSince }) {
  users.set(localId, {
    ...users.get(localId),
    ...(disableUser !== undefined && { disabled: disableUser }),
    ...(validSince !== undefined && { validSince: `${validSince}` }),
  });
  return { status: 200, body: { localId } };
}

/** @type {Record<string, (body: any) => { status: number, body?: object, error?: string }>} */
const ROUTES = {
  'accounts:signInWithPassword': signIn,
  'accounts:signUp': signIn,
  'accounts:lookup': lookUp,
  'accounts:update': update,
};

createServer(async (request, response) => {
  const name = (request.url ?? '').split('?', 1)[0]?.split('/').at(-1) ?? '';
  const route = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  let answer;
  try {
    answer = request.method === 'GET' ? { status: 200, body: {} } : route?.(JSON.parse(text));
  } catch {
    answer = { status: 400, error: 'INVALID_JSON' };
  }
  const { status, body, error } = answer ?? { status: 404, error: `There is no ${name} here.` };
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify(body ?? { error: { code: status, message: error } }));
}).listen(Number(process.argv[2]), '127.0.0.1');
