import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { countTrackings } from '../../src/analytics/analytics.service.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Client, createCustomer, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

const ROWS = 200_000;
const DAYS = 1_000;

let stored: TestDatabase;
let service: TestService;
let owner: Client;

beforeAll(async () => {
  stored = await createDatabase();
  service = await startService(stored);
  owner = await newOwner(service);
  const customer = await createCustomer(owner);
  // 200 a day, before 2026-01-01, every tenth deleted; the deleted must not count.
  await stored.rows(
    owner.organizationId,
    `INSERT INTO trackings (id, customer_id, name, kind, created_at, updated_at, deleted_at)
     SELECT gen_random_uuid(), $1, 'Tracking ' || i, (enum_range(NULL::tracking_kind))[1 + i % 5],
            '2026-01-01T00:00:00Z'::timestamptz - make_interval(mins => 1 + (i * ${DAYS}::bigint * 24 * 60 / ${ROWS})::int), now(),
            CASE WHEN i % 10 = 0 THEN now() END
       FROM generate_series(0, ${ROWS - 1}) AS i`,
    [customer.id],
  );
  await stored.owner.query('VACUUM ANALYZE trackings');
});

afterAll(async () => {
  await service.stop();
  await stored.drop();
});

const count = async (query: string, client = owner) => {
  const { status, body } = await client.get(`/api/v1/analytics/trackings?${query}`);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.data as { period: string; total: number; byKind: Record<string, number> }[];
};

describe('trackings by time', () => {
  it('are counted per day, week and month, and those that are deleted are not', async () => {
    const days = await count('groupBy=day&from=2025-12-01T00:00:00Z&to=2026-01-01T00:00:00Z');
    expect(days.length).toBe(31);
    expect(days[0]).toMatchObject({ period: '2025-12-01', total: 180 });
    expect(Object.values(days[0]?.byKind ?? {}).reduce((sum, each) => sum + each, 0)).toBe(180);
    const weeks = await count('groupBy=week&from=2025-12-01T00:00:00Z&to=2025-12-29T00:00:00Z');
    expect(weeks.map(({ period, total }) => [period, total])).toEqual([
      ['2025-12-01', 1_260],
      ['2025-12-08', 1_260],
      ['2025-12-15', 1_260],
      ['2025-12-22', 1_260],
    ]);
    const months = await count('groupBy=month&from=2025-11-01T00:00:00Z&to=2026-01-01T00:00:00Z');
    expect(months.map(({ period, total }) => [period, total])).toEqual([
      ['2025-11-01', 5_400],
      ['2025-12-01', 5_580],
    ]);
  });

  it('are none where there are none: each period is there, also an empty one', async () => {
    const days = await count('from=2030-01-01T00:00:00Z&to=2030-01-04T00:00:00Z');
    expect(days).toEqual(
      ['2030-01-01', '2030-01-02', '2030-01-03'].map((period) => ({
        period,
        total: 0,
        byKind: { PAGE_VIEW: 0, FORM_SUBMISSION: 0, BUTTON_CLICK: 0, PHONE_CALL: 0, PURCHASE: 0 },
      })),
    );
    const stranger = await newOwner(service);
    const theirs = await count('from=2025-12-01T00:00:00Z&to=2025-12-03T00:00:00Z', stranger);
    expect(theirs.map(({ total }) => total)).toEqual([0, 0]);
    const ofNobody = await count(
      `customerId=${randomUUID()}&from=2025-12-01T00:00:00Z&to=2025-12-02T00:00:00Z`,
    );
    expect(ofNobody.map(({ total }) => total)).toEqual([0]);
  });

  it.each([
    'groupBy=hour',
    'from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z',
    'from=2000-01-01T00:00:00Z&to=2026-01-01T00:00:00Z',
    'from=today',
  ])('with ?%s are refused', async (query) => {
    const { status, body } = await owner.get(`/api/v1/analytics/trackings?${query}`);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'VALIDATION_FAILED' });
  });

  it('are counted from one index alone, in the rows of the time asked for', async () => {
    const { text, values } = countTrackings({
      organizationId: owner.organizationId,
      groupBy: 'day',
      begin: new Date('2025-12-01T00:00:00Z'),
      end: new Date('2026-01-01T00:00:00Z'),
    });
    const [row] = await stored.rows<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
      owner.organizationId,
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      values,
    );
    const scans = nodes(row?.['QUERY PLAN'][0]?.Plan).filter((node) => node['Relation Name'] === 'trackings');
    expect(scans).toMatchObject([
      {
        'Node Type': 'Index Only Scan',
        'Index Name': 'trackings_organization_id_created_at_kind_idx',
        'Heap Fetches': 0,
        'Actual Rows': 5_580,
      },
    ]);
  });
});

interface PlanNode {
  readonly [member: string]: unknown;
  readonly Plans?: readonly PlanNode[];
}

function nodes(plan: PlanNode | undefined): PlanNode[] {
  return plan === undefined ? [] : [plan, ...(plan.Plans ?? []).flatMap(nodes)];
}
