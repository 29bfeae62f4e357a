// @ts-check
/**
 * The part of Supabase Auth's HTTP interface that supabase-js uses for users with e-mail and password: sign-up, sign-in,
 * refresh with reuse detection, the user, sign-out, and the admin calls for users. No mail is sent: an address counts as
 * confirmed. Whatever else there is answers 501 and says so.
 */
import { randomBytes } from 'node:crypto';
import { HttpError } from './http.mjs';

/**
 * @typedef {object} UserRow a row of auth.users
 * @property {string} id
 * @property {string} aud
 * @property {string} role
 * @property {string | null} email
 * @property {string | null} phone
 * @property {Date | null} email_confirmed_at
 * @property {Date | null} last_sign_in_at
 * @property {Date | null} banned_until
 * @property {Record<string, unknown>} raw_app_meta_data
 * @property {Record<string, unknown>} raw_user_meta_data
 * @property {boolean} is_anonymous
 * @property {Date} created_at
 * @property {Date} updated_at
 *
 * @typedef {object} AuthRequest
 * @property {string} method
 * @property {string} path below /auth/v1
 * @property {URLSearchParams} query
 * @property {string | undefined} token
 * @property {Record<string, any>} body
 *
 * @typedef {Pick<import('pg').Pool, 'query'>} Queries
 */

const COLUMNS =
  'id, aud, role, email, phone, email_confirmed_at, last_sign_in_at, banned_until, raw_app_meta_data, raw_user_meta_data, is_anonymous, created_at, updated_at';
const EMAIL = /^[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
// A stand-in for development: bcrypt is as slow as it must be to be bcrypt.
const HASH = "extensions.crypt($PASSWORD, extensions.gen_salt('bf', 4))";

/**
 * @param {object} options
 * @param {import('pg').Pool} options.pool
 * @param {import('./tokens.mjs').Tokens} options.tokens
 * @param {import('./config.mjs').AuthSettings} options.settings
 * @returns {(request: AuthRequest) => Promise<unknown>} the body of the answer, undefined for none
 */
export function createAuth({ pool, tokens, settings }) {
  /** @type {Record<string, (request: AuthRequest) => Promise<unknown>>} */
  const routes = {
    'POST /signup': signUp,
    'POST /token': grant,
    'GET /user': async (request) => present(await userOf(request)),
    'PUT /user': updateSelf,
    'POST /logout': signOut,
    'GET /settings': async () => ({
      external: { email: true, phone: false, anonymous_users: false },
      disable_signup: !settings.enableSignup,
      mailer_autoconfirm: true,
    }),
  };

  return async (request) => {
    const admin = /^\/admin\/users(?:\/([^/]+))?$/.exec(request.path);
    if (admin) return administer(request, admin[1]);
    const route = routes[`${request.method} ${request.path}`];
    if (route) return route(request);
    throw new HttpError(
      501,
      'not_implemented',
      `${request.method} /auth/v1${request.path} is not part of the embedded Auth server: use a real Supabase for it (npx supabase start).`,
    );
  };

  /** @param {AuthRequest} request */
  async function signUp({ body }) {
    if (!settings.enableSignup)
      throw new HttpError(422, 'signup_disabled', 'Signups not allowed for this instance');
    const user = await createUser({ ...body, user_metadata: body.data });
    return openSession(user);
  }

  /** @param {Record<string, any>} fields */
  async function createUser({ id, email, password, user_metadata, app_metadata, role }) {
    const address = checkedEmail(email);
    if (password !== undefined) checkPassword(password);
    try {
      const { rows } = await pool.query(
        `INSERT INTO auth.users (id, email, encrypted_password, email_confirmed_at, raw_user_meta_data, raw_app_meta_data, role)
         VALUES (coalesce($1::uuid, gen_random_uuid()), $2, ${HASH.replace('$PASSWORD', '$3')}, now(), $4,
           '{"provider": "email", "providers": ["email"]}'::jsonb || $5, coalesce($6, 'authenticated'))
         RETURNING ${COLUMNS}`,
        [id ?? null, address, password ?? null, user_metadata ?? {}, app_metadata ?? {}, role ?? null],
      );
      return rows[0];
    } catch (error) {
      if (/** @type {{ code?: string }} */ (error).code !== '23505') throw error;
      throw new HttpError(422, 'user_already_exists', 'User already registered');
    }
  }

  /** @param {AuthRequest} request */
  async function grant({ query, body }) {
    const type = query.get('grant_type');
    if (type === 'password') return signIn(body);
    if (type === 'refresh_token') return refresh(body);
    throw new HttpError(400, 'unsupported_grant_type', 'unsupported_grant_type');
  }

  /** @param {Record<string, any>} body */
  async function signIn({ email, password }) {
    const { rows } = await pool.query(
      `UPDATE auth.users SET last_sign_in_at = now()
       WHERE lower(email) = lower($1) AND encrypted_password = extensions.crypt($2, encrypted_password)
       RETURNING ${COLUMNS}`,
      [String(email ?? ''), String(password ?? '')],
    );
    if (!rows[0]) throw new HttpError(400, 'invalid_credentials', 'Invalid login credentials');
    assertNotBanned(rows[0]);
    return openSession(rows[0]);
  }

  /** @param {UserRow} user */
  async function openSession(user) {
    const { rows } = await pool.query(
      'INSERT INTO auth.sessions (user_id) VALUES ($1) RETURNING id, created_at',
      [user.id],
    );
    return answer(user, rows[0], await newRefreshToken(pool, rows[0].id));
  }

  /**
   * @param {UserRow} user
   * @param {{ id: string, created_at: Date }} session
   * @param {string} refreshToken
   */
  async function answer(user, session, refreshToken) {
    const { token, expiresAt, expiresIn } = await tokens.sign(user, session.id, session.created_at);
    return {
      access_token: token,
      token_type: 'bearer',
      expires_in: expiresIn,
      expires_at: expiresAt,
      refresh_token: refreshToken,
      user: present(user),
      weak_password: null,
    };
  }

  /**
   * Each refresh token is good for one use. Clients do send one twice, in parallel or after a lost response: within the
   * reuse interval the second request gets the token that the first has got. After that somebody else has it, so the
   * session ends for both (https://supabase.com/docs/guides/auth/sessions, "refresh token reuse detection").
   *
   * Supabase Auth makes one more exception: the token before the current one gets the current one at any time. Here it
   * ends the session, so that a client which works here does not depend on that.
   *
   * @param {Record<string, any>} body
   */
  async function refresh({ refresh_token: given }) {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      // Locks the session's row, too: one at a time.
      const { rows } = await client.query(
        `SELECT t.id, t.revoked, t.updated_at < now() - make_interval(secs => $2) AS late,
           s.id AS session_id, s.created_at, s.user_id
         FROM auth.refresh_tokens t JOIN auth.sessions s ON s.id = t.session_id
         WHERE t.token = $1 FOR UPDATE`,
        [String(given ?? ''), settings.reuseIntervalSeconds],
      );
      const found = rows[0];
      if (!found) {
        throw new HttpError(400, 'refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found');
      }
      if (found.revoked && found.late) {
        await client.query('DELETE FROM auth.sessions WHERE id = $1', [found.session_id]);
        await client.query('COMMIT');
        throw new HttpError(400, 'refresh_token_already_used', 'Invalid Refresh Token: Already Used');
      }
      const user = (await client.query(`SELECT ${COLUMNS} FROM auth.users WHERE id = $1`, [found.user_id]))
        .rows[0];
      assertNotBanned(user);
      const next = found.revoked
        ? await currentRefreshToken(client, found.session_id)
        : await rotate(client, found.id, found.session_id);
      await client.query('COMMIT');
      return await answer(user, { id: found.session_id, created_at: found.created_at }, next);
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }

  /** @param {AuthRequest} request */
  async function userOf({ token }) {
    const claims = await tokens.verify(token);
    const { rows } = await pool.query(
      `SELECT ${COLUMNS} FROM auth.users u
       WHERE id = $1 AND EXISTS (SELECT FROM auth.sessions s WHERE s.id = $2 AND s.user_id = u.id)`,
      [claims.sub ?? null, claims.session_id ?? null],
    );
    if (!rows[0]) {
      throw new HttpError(403, 'session_not_found', 'Session from session_id claim in JWT does not exist');
    }
    return /** @type {UserRow} */ (rows[0]);
  }

  /** @param {AuthRequest} request */
  async function updateSelf(request) {
    const user = await userOf(request);
    const { email, password, data } = request.body;
    return present(await updateUser(user.id, { email, password, user_metadata: data }));
  }

  /**
   * @param {string} id
   * @param {Record<string, any>} changes
   */
  async function updateUser(id, { email, password, user_metadata, app_metadata, ban_duration }) {
    if (password !== undefined) checkPassword(password);
    const { rows } = await pool.query(
      `UPDATE auth.users SET
         email = coalesce($2, email),
         encrypted_password = CASE WHEN $3::text IS NULL THEN encrypted_password ELSE ${HASH.replace('$PASSWORD', '$3')} END,
         raw_user_meta_data = raw_user_meta_data || $4,
         raw_app_meta_data = raw_app_meta_data || $5,
         banned_until = CASE WHEN $6::text IS NULL THEN banned_until WHEN $6 = 'none' THEN NULL ELSE now() + $6::interval END,
         updated_at = now()
       WHERE id = $1 RETURNING ${COLUMNS}`,
      [
        id,
        email === undefined ? null : checkedEmail(email),
        password ?? null,
        user_metadata ?? {},
        app_metadata ?? {},
        asInterval(ban_duration),
      ],
    );
    if (!rows[0]) throw new HttpError(404, 'user_not_found', 'User not found');
    return /** @type {UserRow} */ (rows[0]);
  }

  /** @param {AuthRequest} request */
  async function signOut({ token, query }) {
    const { sub, session_id } = await tokens.verify(token);
    const which = {
      global: 'user_id = $1',
      local: 'user_id = $1 AND id = $2',
      others: 'user_id = $1 AND id <> $2',
    }[query.get('scope') ?? 'global'];
    if (!which) throw new HttpError(400, 'validation_failed', 'Unsupported logout scope');
    const values = which.includes('$2') ? [sub, session_id] : [sub];
    await pool.query(`DELETE FROM auth.sessions WHERE ${which}`, values);
  }

  /**
   * @param {AuthRequest} request
   * @param {string | undefined} id
   */
  async function administer({ method, token, body, query }, id) {
    const { role } = await tokens.verify(token);
    if (role !== 'service_role') throw new HttpError(403, 'not_admin', 'User not allowed');
    if (id === undefined && method === 'POST') return present(await createUser(body));
    if (id === undefined && method === 'GET') {
      const perPage = Number(query.get('per_page')) || 50;
      const page = Number(query.get('page')) || 1;
      const { rows } = await pool.query(
        `SELECT ${COLUMNS} FROM auth.users ORDER BY created_at DESC, id LIMIT $1 OFFSET $2`,
        [perPage, (page - 1) * perPage],
      );
      return { users: rows.map(present), aud: 'authenticated' };
    }
    if (id === undefined || !UUID.test(id))
      throw new HttpError(404, 'validation_failed', 'user_id must be an UUID');
    if (method === 'PUT') return present(await updateUser(id, body));
    const sql = method === 'DELETE' ? 'DELETE FROM auth.users WHERE id = $1 RETURNING ' : 'SELECT ';
    const { rows } = await pool.query(
      method === 'DELETE' ? sql + COLUMNS : `${sql}${COLUMNS} FROM auth.users WHERE id = $1`,
      [id],
    );
    if (!rows[0]) throw new HttpError(404, 'user_not_found', 'User not found');
    return method === 'DELETE' ? {} : present(rows[0]);
  }

  /** @param {unknown} password */
  function checkPassword(password) {
    if (
      typeof password === 'string' &&
      password.length >= settings.minimumPasswordLength &&
      password.length <= 72
    )
      return;
    throw new HttpError(
      422,
      'weak_password',
      `Password should be at least ${settings.minimumPasswordLength} characters.`,
      { weak_password: { reasons: ['length'] } },
    );
  }
}

/** @param {Queries} client @param {string} sessionId */
async function newRefreshToken(client, sessionId) {
  const token = randomBytes(12).toString('base64url');
  await client.query('INSERT INTO auth.refresh_tokens (token, session_id) VALUES ($1, $2)', [
    token,
    sessionId,
  ]);
  return token;
}

/** @param {Queries} client @param {string} id @param {string} sessionId */
async function rotate(client, id, sessionId) {
  await client.query('UPDATE auth.refresh_tokens SET revoked = true, updated_at = now() WHERE id = $1', [id]);
  await client.query('UPDATE auth.sessions SET refreshed_at = now() WHERE id = $1', [sessionId]);
  return newRefreshToken(client, sessionId);
}

/** @param {Queries} client @param {string} sessionId */
async function currentRefreshToken(client, sessionId) {
  const { rows } = await client.query(
    'SELECT token FROM auth.refresh_tokens WHERE session_id = $1 AND NOT revoked ORDER BY id DESC LIMIT 1',
    [sessionId],
  );
  return rows[0].token;
}

/** @param {unknown} email */
function checkedEmail(email) {
  if (typeof email === 'string' && email.length <= 254 && EMAIL.test(email)) return email.toLowerCase();
  throw new HttpError(400, 'validation_failed', 'Unable to validate email address: invalid format');
}

/** @param {UserRow} user */
function assertNotBanned({ banned_until: until }) {
  if (until && until > new Date()) throw new HttpError(400, 'user_banned', 'User is banned');
}

/**
 * Go's durations (`24h`, `1h30m`), which PostgreSQL reads as intervals.
 *
 * @param {unknown} duration
 */
function asInterval(duration) {
  if (duration === undefined || duration === 'none') return duration ?? null;
  if (typeof duration !== 'string' || !/^(\d+(h|m|s))+$/.test(duration)) {
    throw new HttpError(400, 'validation_failed', 'invalid format for ban duration');
  }
  return duration;
}

/** @param {UserRow} user as supabase-js knows it */
function present(user) {
  return {
    id: user.id,
    aud: user.aud,
    role: user.role,
    email: user.email ?? '',
    phone: user.phone ?? '',
    email_confirmed_at: user.email_confirmed_at,
    confirmed_at: user.email_confirmed_at,
    last_sign_in_at: user.last_sign_in_at,
    banned_until: user.banned_until ?? undefined,
    app_metadata: user.raw_app_meta_data,
    user_metadata: user.raw_user_meta_data,
    identities: [],
    is_anonymous: user.is_anonymous,
    created_at: user.created_at,
    updated_at: user.updated_at,
  };
}
