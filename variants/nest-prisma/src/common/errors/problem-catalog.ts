import { COMMON_PROBLEMS } from './common-problems.js';
import type { ProblemType } from './problem.js';

/** Every code that the service answers with. The README's table of errors lists the same. */
export const PROBLEMS: Readonly<Record<string, ProblemType>> = {
  ...COMMON_PROBLEMS,
  UNAUTHORIZED: { status: 401, title: 'A valid token is required' },
  FORBIDDEN: { status: 403, title: 'The role does not allow this' },
  NOT_A_MEMBER: { status: 403, title: 'The organization is none of yours' },
  NO_ORGANIZATION: { status: 403, title: 'There is no organization to act for' },
  ORGANIZATION_REQUIRED: { status: 400, title: 'The organization to act for is not named' },
  IDENTITY_PROVIDER_UNAVAILABLE: { status: 503, title: 'Tokens cannot be checked', retryAfter: 5 },
  MEMBER_NOT_FOUND: { status: 404, title: 'There is no such member' },
  LAST_OWNER: { status: 409, title: 'An organization needs an owner' },
  INVITATION_NOT_FOUND: { status: 404, title: 'There is no such invitation' },
  CUSTOMER_NOT_FOUND: { status: 404, title: 'There is no such customer' },
  CUSTOMER_EMAIL_TAKEN: { status: 409, title: 'Another customer has this address' },
  TRACKING_NOT_FOUND: { status: 404, title: 'There is no such tracking' },
  TRACKING_NAME_TAKEN: { status: 409, title: 'Another tracking of the customer has this name' },
  CUSTOMER_DELETED: { status: 409, title: 'The customer is deleted' },
  CONNECTION_NOT_FOUND: { status: 404, title: 'There is no such connection' },
  AUTHORIZATION_FAILED: { status: 400, title: 'Google was not connected' },
  RECONNECT_REQUIRED: { status: 409, title: 'The Google account must be connected again' },
  GOOGLE_NOT_CONFIGURED: { status: 503, title: 'The service is not set up for Google' },
  GOOGLE_QUOTA_EXCEEDED: { status: 503, title: 'The quota at Google is used up', retryAfter: 30 },
  GOOGLE_REQUEST_REFUSED: { status: 422, title: 'Google refuses the request' },
  GOOGLE_UNAVAILABLE: { status: 503, title: 'Google does not answer', retryAfter: 30 },
  VERSION_CONFLICT: { status: 412, title: 'The resource was changed in between' },
  PRECONDITION_REQUIRED: { status: 428, title: 'If-Match is required' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The idempotency key belongs to another request' },
};
