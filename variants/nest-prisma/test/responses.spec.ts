import { describe, expect, it } from '@jest/globals';
import { AuditLogEntry } from '../src/audit-log/dto/audit-log.dto.js';
import { CustomerResponse } from '../src/customers/dto/customer-response.dto.js';
import { DeadLetterResponse } from '../src/dead-letters/dto/dead-letter.dto.js';
import { ConnectionResponse } from '../src/google-connections/dto/google-connection.dto.js';
import { OrganizationResponse } from '../src/organizations/dto/organization.dto.js';
import { GoogleResourceResponse } from '../src/syncs/dto/google-resource.dto.js';
import { SyncResponse } from '../src/syncs/dto/sync-response.dto.js';
import { TrackingSetupResponse } from '../src/tracking-setups/dto/tracking-setup-response.dto.js';
import { TrackingResponse } from '../src/trackings/dto/tracking-response.dto.js';

/** A row that has whatever is asked for, and a column that nobody has decided to show. */
const ROW = { steps: [{ step: 'TAG', state: 'DONE', resources: {}, hidden: 'canary' }], hidden: 'canary' };

describe.each<[string, (row: never) => object]>([
  ['AuditLogEntry', AuditLogEntry.of],
  ['ConnectionResponse', ConnectionResponse.of],
  ['CustomerResponse', CustomerResponse.of],
  ['DeadLetterResponse', DeadLetterResponse.of],
  ['GoogleResourceResponse', GoogleResourceResponse.of],
  ['OrganizationResponse', OrganizationResponse.of],
  ['SyncResponse', SyncResponse.of],
  ['TrackingResponse', TrackingResponse.of],
  ['TrackingSetupResponse', TrackingSetupResponse.of],
])('%s', (_name, of) => {
  it('leaves out a column that it does not list', () => {
    const response = of(ROW as never);
    expect(Object.keys(response)).toContain('createdAt');
    expect(JSON.stringify(response)).not.toContain('canary');
    expect(response).not.toHaveProperty('organizationId');
  });
});
