import type pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { call, newProject, newUser, type TestUser } from '../support/api';
import { connectOwner } from '../support/database';

let owner: pg.Pool;
let user: TestUser;

beforeAll(async () => {
  owner = connectOwner();
  user = await newUser();
  await owner.query(
    `INSERT INTO usage_metrics (user_id, event_type, created_at)
     SELECT $1, type, day FROM unnest(ARRAY['a', 'b']) AS type,
       generate_series('2026-03-01T23:30:00Z'::timestamptz, '2026-04-10T23:30:00Z', '1 day') AS day`,
    [user.id],
  );
  return () => owner.end();
});

const usage = (query: string, token = user.token) =>
  call('GET', `/api/v1/analytics/usage?${query}`, { token });

describe('usage analytics', () => {
  it('adds up by day, week and month, in UTC', async () => {
    const days = await usage('startDate=2026-03-01&endDate=2026-03-02');
    expect(days.body.data).toEqual([
      { period: '2026-03-01', eventType: 'a', count: 1 },
      { period: '2026-03-01', eventType: 'b', count: 1 },
      { period: '2026-03-02', eventType: 'a', count: 1 },
      { period: '2026-03-02', eventType: 'b', count: 1 },
    ]);
    const weeks = await usage('startDate=2026-03-02&endDate=2026-03-15&groupBy=week');
    expect(
      weeks.body.data.map(({ period, count }: { period: string; count: number }) => [period, count]),
    ).toEqual([
      ['2026-03-02', 7],
      ['2026-03-02', 7],
      ['2026-03-09', 7],
      ['2026-03-09', 7],
    ]);
    const months = await usage('startDate=2026-03-01T00:00:00Z&endDate=2026-04-30T00:00:00Z&groupBy=month');
    expect(months.body).toEqual({
      data: [
        { period: '2026-03-01', eventType: 'a', count: 31 },
        { period: '2026-03-01', eventType: 'b', count: 31 },
        { period: '2026-04-01', eventType: 'a', count: 10 },
        { period: '2026-04-01', eventType: 'b', count: 10 },
      ],
      pagination: { limit: 20, nextCursor: null },
    });
  });

  it('comes page by page, each period and type once', async () => {
    const seen: string[] = [];
    let cursor: string | null = '';
    do {
      const { body } = await usage(
        `startDate=2026-03-01&endDate=2026-04-30&groupBy=week&limit=3${cursor ? `&cursor=${cursor}` : ''}`,
      );
      seen.push(
        ...body.data.map(
          ({ period, eventType }: { period: string; eventType: string }) => period + eventType,
        ),
      );
      cursor = body.pagination.nextCursor;
    } while (cursor !== null);
    expect(seen).toHaveLength(14);
    expect(new Set(seen).size).toBe(14);
    expect(seen).toEqual([...seen].sort());
  });

  it("shows nothing of another user's", async () => {
    const { token } = await newUser();
    expect((await usage('startDate=2026-03-01&endDate=2026-04-30', token)).body.data).toEqual([]);
  });

  it.each([
    ['startDate=2026-03-02&endDate=2026-03-01', '/endDate'],
    ['startDate=2020-01-01&endDate=2026-01-01', '/endDate'],
    ['startDate=yesterday&endDate=2026-01-01', '/startDate'],
    ['startDate=2026-02-30&endDate=2026-03-01', '/startDate'],
    ['endDate=2026-01-01', '/startDate'],
    ['startDate=2026-01-01&endDate=2026-01-02&groupBy=year', '/groupBy'],
    ['startDate=2026-01-01&endDate=2026-01-02&cursor=%00', '/cursor'],
  ])('refuses %s', async (query, pointer) => {
    const { status, body } = await usage(query);
    expect(status).toBe(400);
    expect(body.errors).toEqual([{ pointer, message: expect.any(String) }]);
  });
});

describe('usage', () => {
  it('is recorded with each change of a project, and not where the change fails', async () => {
    const { token, ...rest } = await newUser();
    const project = await newProject({ token, ...rest });
    const path = `/api/v1/projects/${project.id}`;
    await call('PATCH', path, { token, body: { name: 'x' }, headers: { 'if-match': '"1"' } });
    await call('PATCH', path, { token, body: { name: 'y' }, headers: { 'if-match': '"1"' } });
    await call('DELETE', path, { token, headers: { 'if-match': '"2"' } });
    const today = new Date().toISOString().slice(0, 10);
    const { body } = await usage(`startDate=${today}&endDate=${today}`, token);
    expect(body.data).toEqual(
      ['created', 'deleted', 'updated'].map((what) => ({
        period: today,
        eventType: `project.${what}`,
        count: 1,
      })),
    );
  });
});
