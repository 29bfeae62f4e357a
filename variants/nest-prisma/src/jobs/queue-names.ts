export const TRACKING_SETUP_QUEUE = 'tracking-setup';
export const SYNC_QUEUE = 'sync';

/** What adds several jobs that wait for each other. */
export const FLOWS = 'flows';
