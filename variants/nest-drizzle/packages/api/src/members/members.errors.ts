import { DomainError } from '../common/errors/domain-error.js';

/** Also for whoever is a member of another tenant: the answer is the same. */
export class MemberNotFoundError extends DomainError {
  constructor(id: string) {
    super(`There is no member ${id}.`, 'MEMBER_NOT_FOUND', { userId: id });
  }
}

export class LastOwnerError extends DomainError {
  constructor() {
    super('A tenant must keep an owner. Make somebody else an owner first.', 'LAST_OWNER');
  }
}

export class AlreadyAMemberError extends DomainError {
  constructor() {
    super('The user is a member already.', 'ALREADY_A_MEMBER');
  }
}

/** Unknown, expired and used ones are answered alike. */
export class InvitationNotFoundError extends DomainError {
  constructor() {
    super('There is no such invitation, or it is no longer valid.', 'INVITATION_NOT_FOUND');
  }
}
