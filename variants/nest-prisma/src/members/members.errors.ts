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

export class LastOwnerError extends DomainError {
  constructor() {
    super('This is the only owner: make another member an owner first.', 'LAST_OWNER');
  }
}
