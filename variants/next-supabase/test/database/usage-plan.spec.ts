import { afterAll, beforeAll, expect, it } from 'vitest';
import { USAGE } from '@/lib/analytics/usage-statement';
import { newUser, type TestUser } from '../support/api';
import { as, connectOwner, connectService } from '../support/database';

const owner = connectOwner();
const service = connectService();
let user: TestUser;

beforeAll(async () => {
  user = await newUser();
  await owner.query(
    `INSERT INTO usage_metrics (user_id, event_type, created_at)
     SELECT $1, (ARRAY['export', 'import'])[1 + n % 2], now() - (n % 700) * interval '1 day'
     FROM generate_series(1, 50000) AS n`,
    [user.id],
  );
  // As autovacuum does: one transaction has written most of the days many times.
  await owner.query('VACUUM (ANALYZE) usage_metrics, usage_daily');
});

afterAll(async () => {
  await owner.end();
  await service.end();
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly Plans?: Plan[];
}

const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

it('reads usage from the days, by the index, and never the events', async () => {
  const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  const plan = await as(service, 'authenticated', user.id, async (client) => {
    const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${USAGE}`, [
      user.id,
      day(30),
      day(0),
      'month',
      101,
      null,
      null,
    ]);
    return rows[0]['QUERY PLAN'][0].Plan as Plan;
  });
  const scans = nodes(plan).filter((node) => node['Node Type'].includes('Scan'));
  expect(new Set(scans.map((node) => node['Relation Name'] ?? 'usage_daily'))).toEqual(
    new Set(['usage_daily']),
  );
  expect(scans.map((node) => node['Index Name'])).toContain('usage_daily_pkey');
  expect(Math.max(...nodes(plan).map((node) => node['Actual Rows']))).toBeLessThanOrEqual(31 * 2);
});
