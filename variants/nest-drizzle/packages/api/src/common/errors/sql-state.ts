export { driverError, isRetryable, sqlState, violatedConstraint } from '@app/database';
