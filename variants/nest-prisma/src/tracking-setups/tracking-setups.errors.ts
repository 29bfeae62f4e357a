import { DomainError } from '../common/errors/domain-error.js';

export class TrackingSetupNotFoundError extends DomainError {
  constructor(id: string) {
    super('There is no such set-up.', 'TRACKING_SETUP_NOT_FOUND', { setupId: id });
  }
}

/** One operation of a tracking at a time: what two do at Google at once nobody could tell. */
export class TrackingSetupRunningError extends DomainError {
  constructor(trackingId: string) {
    super(
      'A setup, change or deletion of the tracking is not finished. Wait for its end, then try again.',
      'TRACKING_SETUP_RUNNING',
      { trackingId },
    );
  }
}

/** A setup with other accounts would leave what a failed operation has made behind, and nobody would remove it. */
export class TrackingLeftoversError extends DomainError {
  constructor({ trackingId, id }: { readonly trackingId: string; readonly id: string }) {
    super(
      'A failed operation has left something at Google. Set the tracking up with the accounts of that one, or delete it first.',
      'TRACKING_HAS_LEFTOVERS',
      { trackingId, setupId: id },
    );
  }
}

/** A second tag would count everything twice. */
export class TrackingAlreadySetUpError extends DomainError {
  constructor(trackingId: string) {
    super(
      'The tracking is set up already. Change it, or delete and restore it before you set it up again.',
      'TRACKING_ALREADY_SET_UP',
      { trackingId },
    );
  }
}
