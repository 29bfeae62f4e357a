import { Inject, Injectable } from '@nestjs/common';
import { CodeChallengeMethod, OAuth2Client } from 'google-auth-library';
import { z } from 'zod';
import { CONFIG } from '../common/config/config.module.js';
import type { Config } from '../config/config.js';
import { GoogleNotConfiguredError, GoogleUnavailableError } from './google.errors.js';
import { MAX_RESPONSE_BYTES } from './response-limit.js';
import { SCOPES } from './scopes.js';

/** A request to Google takes this long at the most; google-auth-library repeats it. */
const TIMEOUT_MS = 5_000;

/** So long does a call take with its repetitions, except for the last pause: less than a lease of a renewal. */
const TOTAL_TIMEOUT_MS = 10_000;

const account = z.object({ email: z.email() });

export interface GrantedTokens {
  readonly accessToken: string;
  /** Left out where Google keeps the one that it gave before. */
  readonly refreshToken?: string;
  readonly expiresAt: Date;
  readonly scopes: readonly string[];
}

/** What came of asking for a new access token. */
export type Refreshed =
  | { readonly isRevoked: false; readonly tokens: GrantedTokens }
  /** The user has taken the access away, or it has lapsed: `invalid_grant`. Nothing but a new connection mends it. */
  | { readonly isRevoked: true };

/** Google's OAuth 2.0 for servers, by Google's own library. */
@Injectable()
export class GoogleOAuthService {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /**
   * Where the user is sent.
   *
   * @param state comes back with the user, and tells that it was this service who sent them
   * @returns the address, and the verifier (RFC 7636) without which the code is of no use to whoever catches it
   */
  async authorizationUrl(state: string): Promise<{ url: string; codeVerifier: string }> {
    const client = this.client();
    const { codeVerifier, codeChallenge } = await client.generateCodeVerifierAsync();
    const url = client.generateAuthUrl({
      access_type: 'offline',
      // Without asking again Google gives a refresh token the first time only.
      prompt: 'consent',
      scope: [...SCOPES],
      state,
      code_challenge_method: CodeChallengeMethod.S256,
      ...(codeChallenge !== undefined && { code_challenge: codeChallenge }),
    });
    return { url, codeVerifier };
  }

  /** @returns undefined where Google does not take the code. @throws GoogleUnavailableError */
  async exchange(
    code: string,
    codeVerifier: string,
  ): Promise<{ tokens: GrantedTokens; email: string } | undefined> {
    const client = this.client();
    try {
      const { tokens } = await client.getToken({ code, codeVerifier });
      client.setCredentials(tokens);
      const { data } = await client.request({
        url: `${this.hosts.userInfo}/v1/userinfo`,
        timeout: TIMEOUT_MS,
      });
      return { tokens: granted(tokens), email: account.parse(data).email };
    } catch (error) {
      if (isInvalidGrant(error)) return undefined;
      throw new GoogleUnavailableError({ cause: error });
    }
  }

  /** @throws GoogleUnavailableError */
  async refresh(refreshToken: string): Promise<Refreshed> {
    const client = this.client();
    client.setCredentials({ refresh_token: refreshToken });
    try {
      const { credentials } = await client.refreshAccessToken();
      return { isRevoked: false, tokens: granted(credentials) };
    } catch (error) {
      if (isInvalidGrant(error)) return { isRevoked: true };
      throw new GoogleUnavailableError({ cause: error });
    }
  }

  /** Takes the access away. A token that Google does not know any more is revoked. @throws GoogleUnavailableError */
  async revoke(refreshToken: string): Promise<void> {
    try {
      await this.client().revokeToken(refreshToken);
    } catch (error) {
      if (oauthError(error) === 'invalid_token') return;
      throw new GoogleUnavailableError({ cause: error });
    }
  }

  private client(): OAuth2Client {
    const { GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET, GOOGLE_REDIRECT_URI } = this.config;
    if (GOOGLE_CLIENT_ID === undefined) throw new GoogleNotConfiguredError('GOOGLE_CLIENT_ID');
    return new OAuth2Client({
      clientId: GOOGLE_CLIENT_ID,
      clientSecret: GOOGLE_CLIENT_SECRET,
      redirectUri: GOOGLE_REDIRECT_URI,
      endpoints: {
        oauth2AuthBaseUrl: `${this.hosts.accounts}/o/oauth2/v2/auth`,
        oauth2TokenUrl: `${this.hosts.oauth}/token`,
        oauth2RevokeUrl: `${this.hosts.oauth}/revoke`,
      },
      transporterOptions: {
        timeout: TIMEOUT_MS,
        signal: AbortSignal.timeout(TOTAL_TIMEOUT_MS),
        maxContentLength: MAX_RESPONSE_BYTES,
      },
    });
  }

  /** Google's, or the one that stands in for all of them in tests. */
  private get hosts() {
    const { GOOGLE_BASE_URL: standIn } = this.config;
    return {
      accounts: standIn ?? 'https://accounts.google.com',
      oauth: standIn ?? 'https://oauth2.googleapis.com',
      userInfo: standIn ?? 'https://openidconnect.googleapis.com',
    };
  }
}

function granted(tokens: {
  access_token?: string | null;
  refresh_token?: string | null;
  expiry_date?: number | null;
  scope?: string;
}): GrantedTokens {
  const { access_token: accessToken, refresh_token: refreshToken, expiry_date: expiry, scope = '' } = tokens;
  if (!accessToken || !expiry) throw new Error('Google has answered without an access token');
  return {
    accessToken,
    ...(refreshToken && { refreshToken }),
    expiresAt: new Date(expiry),
    scopes: scope.split(' ').filter((each) => each !== ''),
  };
}

function isInvalidGrant(error: unknown): boolean {
  return oauthError(error) === 'invalid_grant';
}

/** The `error` of an answer of the token endpoint (RFC 6749, 5.2). */
function oauthError(error: unknown): unknown {
  return (error as { response?: { data?: { error?: unknown } } } | null)?.response?.data?.error;
}
