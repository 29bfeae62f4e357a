import { DomainError } from '../common/errors/domain-error.js';

/** Also for a project of another tenant: whoever may not see it cannot tell the difference. */
export class ProjectNotFoundError extends DomainError {
  constructor(id: string) {
    super(`There is no project ${id}.`, 'PROJECT_NOT_FOUND', { projectId: id });
  }
}

export class ProjectNameTakenError extends DomainError {
  constructor(name?: string) {
    super('Another project has this name.', 'PROJECT_NAME_TAKEN', name === undefined ? {} : { name });
  }
}
