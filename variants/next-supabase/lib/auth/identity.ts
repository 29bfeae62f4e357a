/** What an API key may be good for. */
export const SCOPES = ['projects:read', 'projects:write', 'analytics:read'] as const;

export type Scope = (typeof SCOPES)[number];

/** Who sends a request, and by what right. */
export type Identity =
  | {
      readonly kind: 'session';
      readonly userId: string;
      readonly sessionId: string;
      readonly accessToken: string;
    }
  | {
      readonly kind: 'api-key';
      readonly userId: string;
      readonly keyId: string;
      readonly scopes: readonly Scope[];
    };
