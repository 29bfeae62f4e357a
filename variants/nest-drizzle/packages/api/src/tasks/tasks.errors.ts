import { DomainError } from '../common/errors/domain-error.js';

/** Also for a task of another tenant: whoever may not see it cannot tell the difference. */
export class TaskNotFoundError extends DomainError {
  constructor(id: string) {
    super(`There is no task ${id}.`, 'TASK_NOT_FOUND', { taskId: id });
  }
}

/** The assignee is no member of the tenant, or nobody at all: the answer is the same. */
export class MemberNotFoundError extends DomainError {
  constructor(id: string) {
    super(`There is no member ${id}.`, 'MEMBER_NOT_FOUND', { userId: id });
  }
}
