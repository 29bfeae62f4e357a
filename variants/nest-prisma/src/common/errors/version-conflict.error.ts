import { DomainError } from './domain-error.js';

export class VersionConflictError extends DomainError {
  constructor(id: string, version: number) {
    super(
      'The resource was changed since you read it. Read it again and repeat the change.',
      'VERSION_CONFLICT',
      { id, version },
    );
  }
}
