import { DomainError } from '../common/errors/domain-error.js';

export class MemberNotFoundError extends DomainError {
  constructor(userId: string) {
    super('There is no such member.', 'MEMBER_NOT_FOUND', { userId });
  }
}

export class InvitationNotFoundError extends DomainError {
  constructor() {
    super('There is no invitation to this address.', 'INVITATION_NOT_FOUND');
  }
}

/** Each invitation is a row, and a line of the list. */
export class TooManyInvitationsError extends DomainError {
  constructor(limit: number) {
    super(
      `The organization has ${limit} pending invitations, which is the limit. Withdraw one first.`,
      'TOO_MANY_INVITATIONS',
    );
  }
}

/** All members are one page, and each change of members locks all of them. */
export class TooManyMembersError extends DomainError {
  constructor(limit: number) {
    super(
      `The organization has ${limit} members, which is the limit. One of them has to leave first.`,
      'TOO_MANY_MEMBERS',
    );
  }
}

export class LastOwnerError extends DomainError {
  constructor() {
    super('This is the only owner: make another member an owner first.', 'LAST_OWNER');
  }
}
