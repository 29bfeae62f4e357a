interface Header {
  readonly description: string;
  readonly schema: { readonly type: 'integer' | 'string' };
}

const RETRY_AFTER: Header = { description: 'seconds until another try', schema: { type: 'integer' } };

/** How the OpenAPI document describes the headers of problems, by status and name. */
export const PROBLEM_HEADERS: Readonly<Record<number, Record<string, Header>>> = {
  429: {
    'Retry-After': RETRY_AFTER,
    RateLimit: {
      description: 'requests that are left and seconds until there are more, e.g. "default";r=0;t=42',
      schema: { type: 'string' },
    },
    'RateLimit-Policy': {
      description: 'requests and seconds, e.g. "default";q=100;w=60',
      schema: { type: 'string' },
    },
  },
  503: { 'Retry-After': RETRY_AFTER },
};
