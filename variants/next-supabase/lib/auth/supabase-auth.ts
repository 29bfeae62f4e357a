import { type AuthError, createClient, isAuthRetryableFetchError, type Session } from '@supabase/supabase-js';
import type { z } from 'zod';
import { config } from '@/lib/config/config';
import { DomainError, ValidationError } from '@/lib/errors/domain-error';
import type { session } from './schemas';
import { forgetSession } from './sessions';

type SessionAnswer = Readonly<z.output<typeof session>>;

/** Milliseconds. An attempt that waits counts as a failure of its client meanwhile. */
const TIMEOUT_MS = 10_000;

const fetchInTime: typeof fetch = (input, init) =>
  fetch(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });

/** A client of its own for each call: one that is shared would hold one user's session for all. */
const auth = () =>
  createClient(config().SUPABASE_URL, config().SUPABASE_PUBLISHABLE_KEY, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { fetch: fetchInTime },
  }).auth;

/** Creates a user. @returns null where the project wants the address confirmed first */
export async function signUp(email: string, password: string): Promise<SessionAnswer | null> {
  const { data, error } = await auth().signUp({ email, password });
  if (error) throw toDomainError(error);
  return data.session && present(data.session);
}

/** @throws DomainError INVALID_CREDENTIALS */
export async function signIn(email: string, password: string): Promise<SessionAnswer> {
  const { data, error } = await auth().signInWithPassword({ email, password });
  if (error) throw toDomainError(error);
  return present(data.session);
}

/** @throws DomainError INVALID_REFRESH_TOKEN; a token that was spent before ends its session */
export async function refresh(refreshToken: string): Promise<SessionAnswer> {
  const { data, error } = await auth().refreshSession({ refresh_token: refreshToken });
  if (error) throw toDomainError(error);
  if (!data.session) throw new DomainError('The refresh token is not good.', 'INVALID_REFRESH_TOKEN');
  return present(data.session);
}

/** Ends this session, or all of the user's. */
export async function signOut(
  { accessToken, userId, sessionId }: { accessToken: string; userId: string; sessionId: string },
  scope: 'local' | 'global',
): Promise<void> {
  const { error } = await auth().admin.signOut(accessToken, scope);
  if (error) throw toDomainError(error);
  forgetSession({ userId, sessionId });
}

function present(session: Session): SessionAnswer {
  return {
    accessToken: session.access_token,
    refreshToken: session.refresh_token,
    expiresIn: session.expires_in,
    user: { id: session.user.id, email: session.user.email },
  };
}

function toDomainError(error: AuthError): DomainError {
  if (isAuthRetryableFetchError(error) || (error.status ?? 500) >= 500) {
    return new DomainError(
      'Supabase Auth cannot be reached. Try again.',
      'AUTH_UNAVAILABLE',
      {},
      {},
      { cause: error },
    );
  }
  switch (error.code) {
    case 'invalid_credentials':
    case 'user_banned':
    case 'email_not_confirmed':
      return new DomainError('The address or the password is not right.', 'INVALID_CREDENTIALS', {
        reason: error.code,
      });
    case 'user_already_exists':
    case 'email_exists':
      return new DomainError('There is an account with this address.', 'EMAIL_TAKEN');
    case 'weak_password':
      return new ValidationError([{ pointer: '/password', message: error.message }]);
    case 'email_address_invalid':
    case 'validation_failed':
      return new ValidationError([{ pointer: '/email', message: error.message }]);
    case 'refresh_token_not_found':
    case 'refresh_token_already_used':
    case 'session_not_found':
    case 'session_expired':
      return new DomainError(
        'The refresh token is not good (any more). Sign in again.',
        'INVALID_REFRESH_TOKEN',
        {
          reason: error.code,
        },
      );
    default:
      return new DomainError(error.message, 'AUTH_REFUSED', { reason: error.code });
  }
}
