import { DomainError } from '../common/errors/domain-error.js';

export class ExportNotFoundError extends DomainError {
  constructor(id: string) {
    super(`There is no export ${id}.`, 'EXPORT_NOT_FOUND', { exportId: id });
  }
}
