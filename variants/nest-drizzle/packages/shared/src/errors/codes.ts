/** Codes of this service's own problems, beside those that every service answers with. Clients branch on them. */
export const SERVICE_PROBLEMS = {
  PROJECT_NOT_FOUND: { status: 404, title: 'There is no such project' },
  TASK_NOT_FOUND: { status: 404, title: 'There is no such task' },
  TENANT_NOT_FOUND: { status: 404, title: 'Tenant not found' },
  MEMBER_NOT_FOUND: { status: 404, title: 'There is no such member' },
  INVITATION_NOT_FOUND: { status: 404, title: 'There is no such invitation' },
  EXPORT_NOT_FOUND: { status: 404, title: 'There is no such export' },
  PROJECT_NAME_TAKEN: { status: 409, title: 'Another project has this name' },
  EMAIL_TAKEN: { status: 409, title: 'The e-mail address is registered' },
  LAST_OWNER: { status: 409, title: 'A tenant must keep an owner' },
  ALREADY_A_MEMBER: { status: 409, title: 'The user is a member already' },
  VERSION_CONFLICT: { status: 412, title: 'It was changed in between' },
  PRECONDITION_REQUIRED: { status: 428, title: 'If-Match is required' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The idempotency key belongs to another request' },
  UNAUTHORIZED: { status: 401, title: 'An access token is required' },
  FORBIDDEN: { status: 403, title: 'The role does not allow this' },
  INVALID_CREDENTIALS: { status: 401, title: 'The e-mail address or the password is wrong' },
  INVALID_TOKEN: { status: 401, title: 'The token is not valid' },
} as const;

export type ServiceProblemCode = keyof typeof SERVICE_PROBLEMS;
