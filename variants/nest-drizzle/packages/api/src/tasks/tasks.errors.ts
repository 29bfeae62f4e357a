import { DomainError } from '../common/errors/domain-error.js';

/** Also for a task of another tenant: whoever may not see it cannot tell the difference. */
export class TaskNotFoundError extends DomainError {
  constructor(id: string) {
    super(`There is no task ${id}.`, 'TASK_NOT_FOUND', { taskId: id });
  }
}
