import { DomainError } from '../common/errors/domain-error.js';

export class DeadLetterNotFoundError extends DomainError {
  constructor(id: string) {
    super('There is no such dead letter.', 'DEAD_LETTER_NOT_FOUND', { deadLetterId: id });
  }
}

export class DeadLetterRequeuedError extends DomainError {
  constructor(id: string) {
    super('The job was put back already.', 'DEAD_LETTER_REQUEUED', { deadLetterId: id });
  }
}
