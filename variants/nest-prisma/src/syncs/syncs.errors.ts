import { DomainError } from '../common/errors/domain-error.js';

export class SyncNotFoundError extends DomainError {
  constructor(id: string) {
    super('There is no such sync.', 'SYNC_NOT_FOUND', { syncId: id });
  }
}
