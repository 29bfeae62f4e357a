import { DomainError } from '../common/errors/domain-error.js';

export class TrackingSetupNotFoundError extends DomainError {
  constructor(id: string) {
    super('There is no such set-up.', 'TRACKING_SETUP_NOT_FOUND', { setupId: id });
  }
}

/** A tracking is set up once at a time. */
export class TrackingSetupRunningError extends DomainError {
  constructor(trackingId: string) {
    super('A set-up of the tracking is not finished yet.', 'TRACKING_SETUP_RUNNING', { trackingId });
  }
}

/** A second tag would count everything twice. */
export class TrackingAlreadySetUpError extends DomainError {
  constructor(trackingId: string) {
    super('The tracking is set up already.', 'TRACKING_ALREADY_SET_UP', { trackingId });
  }
}
