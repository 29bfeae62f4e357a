import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Client, createCustomer, createTracking, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

let stored: TestDatabase;
let service: TestService;
let owner: Client;
let customerId: string;

beforeAll(async () => {
  stored = await createDatabase();
  service = await startService(stored);
  owner = await newOwner(service);
  customerId = (await createCustomer(owner)).id;
});

afterAll(async () => {
  await service.stop();
  await stored.drop();
});

const PATH = '/api/v1/trackings';

describe('a tracking', () => {
  it('is created for a customer, and found where Location says', async () => {
    const input = { customerId, name: 'Order button', kind: 'BUTTON_CLICK', selector: '#order' };
    const { status, body, headers } = await owner.post(PATH, input);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ...input,
      status: 'DRAFT',
      version: 1,
      createdBy: owner.userId,
      deletedAt: null,
    });
    expect(body).not.toHaveProperty('organizationId');
    expect((await owner.get(headers.get('location') ?? '')).body).toEqual(body);
  });

  it('is refused for a customer that is not there', async () => {
    const { status, body } = await owner.post(PATH, {
      customerId: randomUUID(),
      name: 'x',
      kind: 'PURCHASE',
    });
    expect({ status, code: body.code }).toEqual({ status: 404, code: 'CUSTOMER_NOT_FOUND' });
  });

  it('has a name of its own among those of the customer, until it is deleted', async () => {
    const { id, name } = await createTracking(owner, customerId);
    const again = { customerId, name, kind: 'PURCHASE' };
    const taken = await owner.post(PATH, again);
    expect({ status: taken.status, code: taken.body.code }).toEqual({
      status: 409,
      code: 'TRACKING_NAME_TAKEN',
    });
    const other = await createCustomer(owner);
    expect((await owner.post(PATH, { ...again, customerId: other.id })).status).toBe(201);
    expect((await owner.remove(`${PATH}/${id}`, 1)).status).toBe(204);
    expect((await owner.post(PATH, again)).status).toBe(201);
    const restored = await owner.post(`${PATH}/${id}/restore`, undefined);
    expect(restored.body.code).toBe('TRACKING_NAME_TAKEN');
  });

  it('is changed and restored; its customer never changes', async () => {
    const { id } = await createTracking(owner, customerId);
    const { body } = await owner.patch(`${PATH}/${id}`, { kind: 'PURCHASE' }, 1);
    expect(body).toMatchObject({ kind: 'PURCHASE', version: 2 });
    expect((await owner.patch(`${PATH}/${id}`, { status: 'SETTING_UP' }, 2)).status).toBe(400);
    const active = await owner.patch(`${PATH}/${id}`, { status: 'ACTIVE' }, 2);
    expect([active.status, active.body.code]).toEqual([409, 'TRACKING_NOT_SET_UP']);
    expect((await owner.patch(`${PATH}/${id}`, { customerId: randomUUID() }, 2)).status).toBe(400);
    expect((await owner.patch(`${PATH}/${id}`, { name: 'late' }, 1)).status).toBe(412);
    await owner.remove(`${PATH}/${id}`, 2);
    expect((await owner.get(`${PATH}/${id}`)).status).toBe(404);
    const restored = await owner.post(`${PATH}/${id}/restore`, undefined);
    expect(restored.body).toMatchObject({ deletedAt: null, version: 4 });
    expect((await owner.post(`${PATH}/${id}/restore`, undefined)).body.version).toBe(4);
  });
});

it('a list is filtered by customer, kind, status and name', async () => {
  const other = await createCustomer(owner);
  const call = await createTracking(owner, other.id, { name: 'Call us', kind: 'PHONE_CALL' });
  await createTracking(owner, other.id, { name: 'Form', kind: 'FORM_SUBMISSION' });
  const found = async (query: string) => {
    const { body } = await owner.get(`${PATH}?customerId=${other.id}&sort=name&${query}`);
    return body.data.map(({ name }: { name: string }) => name);
  };
  expect(await found('')).toEqual(['Call us', 'Form']);
  expect(await found('kind=PHONE_CALL')).toEqual(['Call us']);
  expect(await found('search=cAlL')).toEqual(['Call us']);
  expect(await found('status=ACTIVE')).toEqual([]);
  await stored.rows(owner.organizationId, `UPDATE trackings SET status = 'ACTIVE' WHERE id = $1`, [call.id]);
  expect(await found('status=ACTIVE')).toEqual(['Call us']);
});
