import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AdsService } from '../../../src/google/ads/ads.service.js';
import type { Conversion } from '../../../src/google/ads/conversions.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import type { FakeGoogle, Fault } from '../../support/fake-google.js';
import { connectGoogle, inScope, startGoogle } from '../../support/google.js';
import { type Client, newMember, newOwner } from '../../support/people.js';
import { startService, type TestService } from '../../support/service.js';

const CUSTOMER = '1234567890';
const CUSTOMERS = '/v26/customers:listAccessibleCustomers';
const INGEST = '/v1/events:ingest';
const MUTATE = `/v26/customers/${CUSTOMER}/conversionActions:mutate`;

let stored: TestDatabase;
let google: FakeGoogle;
let settings: Record<string, string>;
let service: TestService;
let owner: Client;
let id: string;

beforeAll(async () => {
  stored = await createDatabase();
  ({ google, settings } = await startGoogle());
  service = await startService(stored, settings);
  owner = await newOwner(service);
  id = await connectGoogle(google, owner);
});

beforeEach(() => {
  google.faults.clear();
  google.requests.length = 0;
  google.ads.conversionActions.clear();
  google.ads.conversions.clear();
  google.ads.unknownClicks.clear();
});

afterAll(async () => {
  await service.stop();
  await google.stop();
  await stored.drop();
});

/** What a job does. */
const as = <Result>(work: (ads: AdsService) => Promise<Result>, process = service) =>
  inScope(process, owner, () => work(process.app.get(AdsService)));

const ensure = (name: string) =>
  as((ads) => ads.ensureConversionAction(id, CUSTOMER, { name, category: 'PURCHASE' }));

const conversion = (transactionId: string, own: Partial<Conversion> = {}): Conversion => ({
  conversionActionId: '1',
  transactionId,
  occurredAt: new Date('2030-05-01T19:30:00Z'),
  clickId: `click-${transactionId}`,
  value: 12.5,
  currency: 'EUR',
  ...own,
});

const upload = (conversions: Conversion[]) => as((ads) => ads.uploadConversions(id, CUSTOMER, conversions));

describe('a conversion action', () => {
  it('is found by its name, or created', async () => {
    const name = `Order of the baker's "best" \\ cake`;
    const first = await ensure(name);
    expect(await ensure(name)).toEqual(first);
    expect([...google.ads.conversionActions.values()]).toEqual([
      { ...first, name, category: 'PURCHASE', status: 'ENABLED' },
    ]);
    // More than JavaScript's numbers hold.
    expect(first.id).toMatch(/^9007199254740\d+$/);
  });

  it('is created once where the answer is lost', async () => {
    google.faults.set(MUTATE, ['answer-lost']);
    await ensure('Order');
    expect(google.ads.conversionActions.size).toBe(1);
    expect(google.count(MUTATE)).toBe(1);
  });

  it('is created once, however many ensure it at the same moment', async () => {
    google.latencyMs = 50;
    const all = await Promise.all(Array.from({ length: 10 }, () => ensure('Order')));
    google.latencyMs = 0;
    expect(new Set(all.map(({ resourceName }) => resourceName)).size).toBe(1);
    expect(google.ads.conversionActions.size).toBe(1);
  });

  it('is changed where it differs, and found though people have renamed it', async () => {
    const { resourceName } = await ensure('Order (7)');
    const change = (name: string, status: 'ENABLED' | 'HIDDEN', known?: string) =>
      as((ads) =>
        ads.ensureConversionAction(
          id,
          CUSTOMER,
          { name, category: 'SIGNUP', status },
          { resourceName: known, marker: '7' },
        ),
      );
    await change('Order now (7)', 'HIDDEN');
    const [action] = google.ads.conversionActions.values();
    expect(action).toMatchObject({
      resourceName,
      name: 'Order now (7)',
      category: 'SIGNUP',
      status: 'HIDDEN',
    });
    google.ads.conversionActions.set(resourceName, {
      ...(action as NonNullable<typeof action>),
      name: 'Mine',
    });
    await change('Order (7)', 'ENABLED', resourceName);
    expect([...google.ads.conversionActions.values()]).toEqual([
      { ...action, name: 'Order (7)', status: 'ENABLED' },
    ]);
    const sent = google.count(MUTATE);
    await change('Order (7)', 'ENABLED', resourceName);
    expect(google.count(MUTATE)).toBe(sent);
  });

  it('has a tag for web pages', async () => {
    const action = await ensure('Order');
    const tag = await as((ads) => ads.getTagSnippet(id, CUSTOMER, action.id));
    expect(tag.globalSiteTag).toContain('gtag()');
    expect(tag.eventSnippet).toContain(action.id);
    await expect(as((ads) => ads.getTagSnippet(id, CUSTOMER, '5'))).rejects.toMatchObject({
      code: 'GOOGLE_REQUEST_REFUSED',
      status: 404,
    });
  });

  it('is removed, also where it is gone already', async () => {
    const { resourceName } = await ensure('Order');
    const action = { resourceName, marker: 'Order' };
    for (const _time of [1, 2]) await as((ads) => ads.removeConversionAction(id, CUSTOMER, action));
    expect(google.ads.conversionActions.size).toBe(0);
    const elsewhere = as((ads) => ads.removeConversionAction(id, '1111111111', action));
    await expect(elsewhere).rejects.toMatchObject({ reason: 'USER_PERMISSION_DENIED' });
  });
});

describe('Google Ads', () => {
  it('lists the customers that the user may act for', async () => {
    expect(await as((ads) => ads.listAccessibleCustomers(id))).toEqual([
      { customerId: CUSTOMER, resourceName: `customers/${CUSTOMER}` },
    ]);
  });

  it('is waited for as long as its own error says', async () => {
    const errors = [
      {
        errorCode: { quotaError: 'RESOURCE_TEMPORARILY_EXHAUSTED' },
        details: { quotaErrorDetails: { rateScope: 'DEVELOPER', retryDelay: '1.5s' } },
      },
    ];
    const details = [
      { '@type': 'type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure', errors },
    ];
    google.faults.set(CUSTOMERS, [
      { status: 429, body: { error: { code: 429, status: 'RESOURCE_EXHAUSTED', details } } },
    ]);
    await as((ads) => ads.listAccessibleCustomers(id));
    const [first, second] = google.requests.filter((request) => request.path === CUSTOMERS);
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_500);
  });

  it.each<[string, Fault]>([
    ['refuses', { status: 403 }],
    ['fails', { status: 503, headers: { 'retry-after': '99' } }],
    ['cuts the connection', 'cut'],
  ])('leaves no token in the error where it %s', async (_what, fault) => {
    google.faults.set(CUSTOMERS, [fault, fault, fault, fault]);
    const error = await as((ads) => ads.listAccessibleCustomers(id)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('canary');
  });

  it('cannot be called without a developer token, which is said', async () => {
    const without = await startService(stored, { ...settings, GOOGLE_ADS_DEVELOPER_TOKEN: '' });
    try {
      const call = as((ads) => ads.listAccessibleCustomers(id), without);
      await expect(call).rejects.toMatchObject({
        code: 'GOOGLE_NOT_CONFIGURED',
        message: expect.stringContaining('GOOGLE_ADS_DEVELOPER_TOKEN'),
      });
    } finally {
      await without.stop();
    }
  });
});

describe('an upload of conversions', () => {
  it('tells which ones Google finds fault with, and the others count', async () => {
    google.ads.unknownClicks.add('click-b').add('click-d');
    const conversions = ['a', 'b', 'c'].map((each) => conversion(each));
    const others = ['d', 'e'].map((each) => conversion(each, { conversionActionId: '2' }));
    const failed = { code: 'INVALID_GCLID', message: 'No such click.' };
    expect(await upload([...conversions, ...others])).toEqual({
      accepted: 3,
      failures: [
        { index: 1, ...failed },
        { index: 3, ...failed },
      ],
    });
    expect([...google.ads.conversions.keys()].sort()).toEqual(['1 a', '1 c', '2 e']);
  });

  it('counts once where the answer is lost, and where it is sent again', async () => {
    google.faults.set(INGEST, ['answer-lost']);
    const conversions = [conversion('a'), conversion('b')];
    expect(await upload(conversions)).toEqual({ accepted: 2, failures: [] });
    expect(await upload(conversions)).toEqual({ accepted: 2, failures: [] });
    expect(google.ads.conversions.size).toBe(2);
  });

  it('may have more than Google takes in one request', async () => {
    const conversions = Array.from({ length: 2_001 }, (_, index) => conversion(String(index)));
    expect(await upload(conversions)).toEqual({ accepted: 2_001, failures: [] });
    expect(google.count(INGEST)).toBe(2);
  });

  it('fails as a whole where the fault is not that of a conversion', async () => {
    google.faults.set(INGEST, [{ status: 403 }]);
    await expect(upload([conversion('a')])).rejects.toMatchObject({ code: 'GOOGLE_REQUEST_REFUSED' });
  });
});

describe('over HTTP', () => {
  const path = () => `/api/v1/connections/${id}/ads/customers`;
  const body = (own: object = {}) => ({
    conversions: [
      {
        conversionActionId: '9007199254740993',
        transactionId: 'order-1',
        occurredAt: '2030-05-01T21:30:00+02:00',
        clickId: 'abc',
        clickIdKind: 'wbraid',
        value: 12.5,
        currency: 'EUR',
        ...own,
      },
    ],
  });

  it('customers are listed', async () => {
    expect((await owner.get(path())).body.data).toEqual([
      { customerId: CUSTOMER, resourceName: `customers/${CUSTOMER}` },
    ]);
  });

  it('conversions are uploaded, which the audit log knows', async () => {
    const answer = await owner.post(`${path()}/${CUSTOMER}/conversions`, body());
    expect({ status: answer.status, body: answer.body }).toEqual({
      status: 200,
      body: { accepted: 1, failures: [] },
    });
    expect(google.ads.conversions.get('9007199254740993 order-1')).toMatchObject({
      eventTimestamp: '2030-05-01T19:30:00.000Z',
      adIdentifiers: { wbraid: 'abc' },
      conversionValue: 12.5,
      currency: 'EUR',
    });
    const { body: log } = await owner.get(`/api/v1/audit-log?entityId=${id}`);
    expect(log.data[0]).toMatchObject({
      action: 'conversions.uploaded',
      changes: { accepted: 1, refused: 0 },
    });
  });

  it('a value so small that JSON writes it with an exponent is a value like others', async () => {
    const { status } = await owner.post(`${path()}/${CUSTOMER}/conversions`, body({ value: 5e-7 }));
    expect(status).toBe(200);
    expect(google.ads.conversions.get('9007199254740993 order-1')?.conversionValue).toBe(5e-7);
  });

  it.each([
    ['a value without a currency', { currency: undefined }],
    ['a currency that there is not', { currency: 'EURO' }],
    ['a kind of click that there is not', { clickIdKind: 'fbclid' }],
    ['an id that is a number', { conversionActionId: 1 }],
    ['no click', { clickId: '' }],
    ['a day for a moment', { occurredAt: '2030-05-01' }],
    ['a negative value', { value: -1 }],
    ['something else', { gclid: 'abc' }],
  ])('%s is refused', async (_what, own) => {
    const answer = await owner.post(`${path()}/${CUSTOMER}/conversions`, body(own));
    expect({ status: answer.status, code: answer.body.code }).toEqual({
      status: 400,
      code: 'VALIDATION_FAILED',
    });
    expect(google.count(INGEST)).toBe(0);
  });

  it('they are for members, of the organization', async () => {
    const viewer = await newMember(service, owner, 'VIEWER');
    expect((await viewer.post(`${path()}/${CUSTOMER}/conversions`, body())).status).toBe(403);
    const stranger = await newOwner(service);
    expect((await stranger.post(`${path()}/${CUSTOMER}/conversions`, body())).status).toBe(404);
  });
});
