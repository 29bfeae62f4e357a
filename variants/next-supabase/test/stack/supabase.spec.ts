import { randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import { decodeProtectedHeader } from 'jose';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '@/lib/database.types';
import { connectOwner } from '../support/database';

const { SUPABASE_URL = '', SUPABASE_PUBLISHABLE_KEY = '', SUPABASE_SECRET_KEY = '' } = process.env;

const client = (key = SUPABASE_PUBLISHABLE_KEY) =>
  createClient<Database>(SUPABASE_URL, key, { auth: { persistSession: false, autoRefreshToken: false } });

const credentials = () => ({ email: `${randomUUID()}@example.com`, password: randomUUID() });

async function signedIn() {
  const supabase = client();
  const { data, error } = await supabase.auth.signUp(credentials());
  if (error || !data.session) throw error ?? new Error('sign-up gave no session');
  return { supabase, session: data.session };
}

// Through supabase-js alone, so that the same holds for a real Supabase.
describe('Supabase, as supabase-js sees it', () => {
  let owner: pg.Pool;

  beforeAll(() => {
    owner = connectOwner();
  });
  afterAll(() => owner.end());

  describe('Auth', () => {
    it('signs up, signs in and knows the user', async () => {
      const who = credentials();
      await client().auth.signUp({ ...who, options: { data: { name: 'Ada' } } });

      const supabase = client();
      const { data } = await supabase.auth.signInWithPassword(who);
      expect(data.user).toMatchObject({
        email: who.email,
        role: 'authenticated',
        user_metadata: { name: 'Ada' },
      });
      expect((await supabase.auth.getUser()).data.user?.id).toBe(data.user?.id);
    });

    it.each([
      ['a wrong password', 'invalid_credentials', () => ({ password: 'something else' })],
      ['an address that nobody has', 'invalid_credentials', () => ({ email: `${randomUUID()}@example.com` })],
    ])('refuses %s', async (_, code, change) => {
      const who = credentials();
      await client().auth.signUp(who);
      const { error } = await client().auth.signInWithPassword({ ...who, ...change() });
      expect(error).toMatchObject({ status: 400, code });
    });

    it('takes an address once, whatever its case', async () => {
      const who = credentials();
      await client().auth.signUp(who);
      const { error } = await client().auth.signUp({ ...who, email: who.email.toUpperCase() });
      expect(error?.code).toBe('user_already_exists');
    });

    it('refuses a short password', async () => {
      const { error } = await client().auth.signUp({ ...credentials(), password: 'short' });
      expect(error?.code).toBe('weak_password');
    });

    it('signs access tokens with an asymmetric key that the JWKS has', async () => {
      const { supabase, session } = await signedIn();
      const { alg, kid } = decodeProtectedHeader(session.access_token);
      const { keys } = await (await fetch(`${SUPABASE_URL}/auth/v1/.well-known/jwks.json`)).json();
      expect(alg).toBe('ES256');
      expect(keys).toContainEqual(expect.objectContaining({ kid, kty: 'EC' }));
      expect(JSON.stringify(keys)).not.toContain('"d":');
      const { data } = await supabase.auth.getClaims();
      expect(data?.claims).toMatchObject({
        sub: session.user.id,
        aud: 'authenticated',
        iss: `${SUPABASE_URL}/auth/v1`,
      });
    });

    it('rotates refresh tokens, and forgives one that is sent twice at once', async () => {
      const { session } = await signedIn();
      const refresh = () => client().auth.refreshSession({ refresh_token: session.refresh_token });
      const [first, second] = await Promise.all([refresh(), refresh()]);
      expect(first.data.session?.refresh_token).not.toBe(session.refresh_token);
      expect(second.data.session?.refresh_token).toBe(first.data.session?.refresh_token);
    });

    it('ends the session when a spent refresh token comes back later', async () => {
      const { session } = await signedIn();
      const refresh = (token = '') => client().auth.refreshSession({ refresh_token: token });
      // Twice: Supabase Auth forgives the parent of the current token at any time, since its answer may have been lost.
      const first = await refresh(session.refresh_token);
      const { data } = await refresh(first.data.session?.refresh_token);
      await owner.query(
        `UPDATE auth.refresh_tokens SET updated_at = now() - interval '1 minute' WHERE token = $1`,
        [session.refresh_token],
      );

      const replayed = await client().auth.refreshSession({ refresh_token: session.refresh_token });
      expect(replayed.error?.code).toBe('refresh_token_already_used');
      const current = await client().auth.refreshSession({
        refresh_token: data.session?.refresh_token ?? '',
      });
      expect(current.error?.code).toBe('refresh_token_not_found');
    });

    it('ends this session or all of them', async () => {
      const who = credentials();
      await client().auth.signUp(who);
      const [a, b] = [client(), client()];
      await a.auth.signInWithPassword(who);
      const { data } = await b.auth.signInWithPassword(who);
      await a.auth.signOut({ scope: 'local' });
      expect((await b.auth.getUser()).error).toBeNull();
      await b.auth.signOut({ scope: 'global' });
      const after = await client().auth.refreshSession({ refresh_token: data.session?.refresh_token ?? '' });
      expect(after.error?.code).toBe('refresh_token_not_found');
    });

    it('lets the secret key create, ban and delete users, and nobody else', async () => {
      const admin = client(SUPABASE_SECRET_KEY).auth.admin;
      const who = credentials();
      const { data } = await admin.createUser({ ...who, email_confirm: true });
      const id = data.user?.id ?? '';
      expect((await client().auth.signInWithPassword(who)).error).toBeNull();

      await admin.updateUserById(id, { ban_duration: '1h' });
      expect((await client().auth.signInWithPassword(who)).error?.code).toBe('user_banned');
      await admin.updateUserById(id, { ban_duration: 'none' });
      expect((await client().auth.signInWithPassword(who)).error).toBeNull();

      expect((await admin.deleteUser(id)).error).toBeNull();
      expect((await admin.getUserById(id)).error?.status).toBe(404);
      expect((await client().auth.admin.createUser(credentials())).error).not.toBeNull();
      const { supabase } = await signedIn();
      expect((await supabase.auth.admin.listUsers()).error).not.toBeNull();
    });
  });

  describe('REST', () => {
    it('shows a user what is theirs, and a stranger nothing', async () => {
      const { supabase, session } = await signedIn();
      const { data } = await supabase.from('projects').insert({ name: 'Mine' }).select().single();
      expect(data).toMatchObject({ name: 'Mine', user_id: session.user.id });

      const stranger = await signedIn();
      const seen = await stranger.supabase
        .from('projects')
        .select()
        .eq('id', data?.id ?? '');
      expect(seen.data).toEqual([]);
      const all = await client(SUPABASE_SECRET_KEY)
        .from('projects')
        .select()
        .eq('id', data?.id ?? '');
      expect(all.data).toHaveLength(1);
    });

    it('embeds, counts and ends where a table is not granted', async () => {
      const { supabase, session } = await signedIn();
      await supabase.from('projects').insert([{ name: 'One' }, { name: 'Two' }]);
      const { data, count } = await supabase
        .from('projects')
        .select('name, project_members(role)', { count: 'exact' })
        .eq('user_id', session.user.id)
        .order('name');
      expect(count).toBe(2);
      expect(data?.[0]).toEqual({ name: 'One', project_members: [{ role: 'owner' }] });
      expect((await client().from('projects').select()).error?.code).toBe('42501');
    });

    it.each(['', 'sb_publishable_somebody_elses', 'sb_secret_guessed'])(
      'refuses the API key %j',
      async (apikey) => {
        const headers: Record<string, string> = apikey === '' ? {} : { apikey };
        const response = await fetch(`${SUPABASE_URL}/rest/v1/projects`, { headers });
        expect(response.status).toBe(401);
      },
    );

    it('refuses a token that another key has signed', async () => {
      const { session } = await signedIn();
      const [head, body] = session.access_token.split('.');
      const response = await fetch(`${SUPABASE_URL}/rest/v1/projects`, {
        headers: {
          apikey: SUPABASE_PUBLISHABLE_KEY,
          authorization: `Bearer ${head}.${body}.${'A'.repeat(86)}`,
        },
      });
      expect(response.status).toBe(401);
    });
  });
});
