import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TagManagerService } from '../../../src/google/tag-manager/tag-manager.service.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import type { FakeGoogle } from '../../support/fake-google.js';
import { connectGoogle, inScope, startGoogle } from '../../support/google.js';
import { type Client, newMember, newOwner } from '../../support/people.js';
import { startService, type TestService } from '../../support/service.js';

let stored: TestDatabase;
let google: FakeGoogle;
let service: TestService;
let owner: Client;
let id: string;
let account: string;
let container: string;

beforeAll(async () => {
  stored = await createDatabase();
  const started = await startGoogle();
  google = started.google;
  service = await startService(stored, started.settings);
  owner = await newOwner(service);
  id = await connectGoogle(google, owner);
});

beforeEach(() => {
  google.faults.clear();
  google.tagManager.pageSize = 50;
  account = google.tagManager.add('', 'accounts', { name: 'Bakery' });
  container = google.tagManager.add(account, 'containers', { name: 'bakery.example' });
});

afterAll(async () => {
  await service.stop();
  await google.stop();
  await stored.drop();
});

/** What a job does. */
const as = <Result>(work: (tagManager: TagManagerService) => Promise<Result>) =>
  inScope(service, owner, () => work(service.app.get(TagManagerService)));

const named = (kind: string, name: string) =>
  google.tagManager.all(kind).filter((each) => each.name === name && each.path.startsWith(account));

const workspace = () => as((tagManager) => tagManager.ensureWorkspace(id, container, { name: 'Set-up' }));

/** A workspace with something to make a version of. */
const changedWorkspace = async () => {
  const { path } = await workspace();
  await as((tagManager) => tagManager.ensureTag(id, path, { name: 'Conversion', type: 'awct' }));
  return path;
};

const KINDS: readonly [string, (tagManager: TagManagerService, parent: string) => Promise<object>][] = [
  [
    'variables',
    (tagManager, parent) =>
      tagManager.ensureVariable(id, parent, {
        name: 'Price',
        type: 'v',
        parameter: [{ type: 'template', key: 'name', value: 'price' }],
      }),
  ],
  [
    'triggers',
    (tagManager, parent) => tagManager.ensureTrigger(id, parent, { name: 'Order', type: 'click' }),
  ],
  ['tags', (tagManager, parent) => tagManager.ensureTag(id, parent, { name: 'Conversion', type: 'awct' })],
];

describe('Tag Manager', () => {
  it('lists what there is over all pages', async () => {
    google.tagManager.pageSize = 2;
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) google.tagManager.add(account, 'containers', { name });
    const found = await as((tagManager) => tagManager.listContainers(id, account.replace('accounts/', '')));
    expect(found.map(({ name }) => name)).toEqual(['bakery.example', ...names]);
    expect(found[0]).toEqual({
      containerId: container.split('/').at(-1),
      publicId: expect.stringMatching(/^GTM-/),
      name: 'bakery.example',
      path: container,
    });
  });

  it('takes a container that there is, and creates one that there is not', async () => {
    const accountId = account.replace('accounts/', '');
    const ensure = (name: string) => as((tagManager) => tagManager.ensureContainer(id, accountId, { name }));
    expect((await ensure('bakery.example')).path).toBe(container);
    const created = await ensure('cakes.example');
    expect(await ensure('cakes.example')).toEqual(created);
    expect(
      google.tagManager.all('containers').find(({ path }) => path === created.path)?.usageContext,
    ).toEqual(['web']);
  });

  it.each(KINDS)('creates %s once, however often they are ensured', async (kind, ensure) => {
    const { path } = await workspace();
    const first = await as((tagManager) => ensure(tagManager, path));
    expect(await as((tagManager) => ensure(tagManager, path))).toEqual(first);
    expect(google.tagManager.all(kind).filter((each) => each.path.startsWith(path))).toHaveLength(1);
  });

  it.each(KINDS)('creates %s once, however many ensure them at the same moment', async (kind, ensure) => {
    const { path } = await workspace();
    google.latencyMs = 50;
    const all = await Promise.all(
      Array.from({ length: 10 }, () => as((tagManager) => ensure(tagManager, path))),
    );
    google.latencyMs = 0;
    expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(google.tagManager.all(kind).filter((each) => each.path.startsWith(path))).toHaveLength(1);
  });

  it.each(KINDS)('creates %s once where the answer is lost', async (kind, ensure) => {
    const { path } = await workspace();
    const url = `POST /tagmanager/v2/${path}/${kind}`;
    google.faults.set(url, ['answer-lost']);
    await as((tagManager) => ensure(tagManager, path));
    expect(google.tagManager.all(kind).filter((each) => each.path.startsWith(path))).toHaveLength(1);
    expect(google.count(`/tagmanager/v2/${path}/${kind}`, 'POST')).toBe(1);
  });

  it('creates what did not arrive', async () => {
    google.faults.set(`POST /tagmanager/v2/${container}/workspaces`, ['cut', { status: 503 }]);
    await workspace();
    expect(named('workspaces', 'Set-up')).toHaveLength(1);
  });

  it('makes one version where the answer is lost, though the workspace is gone with it', async () => {
    const path = await changedWorkspace();
    google.faults.set(`/tagmanager/v2/${path}:create_version`, ['answer-lost']);
    const make = () =>
      as((tagManager) => tagManager.createVersion(id, path, { name: 'Set-up 1', notes: 'x' }));
    const version = await make();
    expect(await make()).toEqual(version);
    expect(named('versions', 'Set-up 1')).toHaveLength(1);
    expect(version).toEqual({
      path: expect.stringContaining(container),
      versionId: version?.path.split('/').at(-1),
    });
  });

  it('says so where a workspace does not compile', async () => {
    const path = await changedWorkspace();
    google.faults.set(`/tagmanager/v2/${path}:create_version`, [
      { status: 200, body: { compilerError: true } },
    ]);
    const make = as((tagManager) => tagManager.createVersion(id, path, { name: 'Set-up 2' }));
    await expect(make).rejects.toMatchObject({ code: 'GOOGLE_REQUEST_REFUSED', reason: 'compilerError' });
  });

  it('makes no version of a workspace without changes', async () => {
    const { path } = await workspace();
    expect(
      await as((tagManager) => tagManager.createVersion(id, path, { name: 'Set-up 2' })),
    ).toBeUndefined();
    expect(named('versions', 'Set-up 2')).toEqual([]);
  });

  it('says so where somebody else has changed the same', async () => {
    const path = await changedWorkspace();
    await as((tagManager) => tagManager.createVersion(id, path, { name: 'Set-up 4' }));
    const mine = await workspace();
    const spec = { name: 'Conversion', type: 'awct', paused: true };
    await as((tagManager) => tagManager.ensureTag(id, mine.path, spec));
    google.tagManager.edit(container, (theirs) => {
      const tag = google.tagManager.all('tags').find((each) => each.path.startsWith(theirs));
      google.tagManager.put(tag?.path ?? '', { name: 'Conversion', type: 'html' });
    });
    const make = as((tagManager) => tagManager.createVersion(id, mine.path, { name: 'Set-up 5' }));
    await expect(make).rejects.toMatchObject({ reason: 'syncError' });
  });

  it('publishes a version, again where the answer is lost, and never an older one', async () => {
    const first = await as(async (tagManager) =>
      tagManager.createVersion(id, await changedWorkspace(), { name: 'Set-up 3' }),
    );
    const path = first?.path ?? '';
    google.faults.set(`/tagmanager/v2/${path}:publish`, ['answer-lost']);
    await as((tagManager) => tagManager.publish(id, path));
    expect(google.tagManager.live.get(container)).toBe(path);
    google.tagManager.edit(container, (theirs) =>
      google.tagManager.add(theirs, 'tags', { name: 'Theirs', type: 'html' }),
    );
    const later = google.tagManager.live.get(container);
    await as((tagManager) => tagManager.publish(id, path));
    expect(google.tagManager.live.get(container)).toBe(later);
  });

  it('changes a tag where it differs, keeps what others added, and reads again what others changed', async () => {
    const path = await changedWorkspace();
    const [tag] = google.tagManager.all('tags').filter((each) => each.path.startsWith(path));
    google.tagManager.put(tag?.path ?? '', { name: 'Conversion', type: 'awct', notes: 'theirs' });
    google.faults.set(`PUT /tagmanager/v2/${tag?.path}`, [{ status: 412 }]);
    const pause = () =>
      as((tagManager) =>
        tagManager.ensureTag(
          id,
          path,
          { name: 'Paused', type: 'awct', paused: true },
          { id: tag?.path.split('/').at(-1), marker: 'x' },
        ),
      );
    await pause();
    expect(google.tagManager.all('tags').filter((each) => each.path.startsWith(path))).toEqual([
      expect.objectContaining({ name: 'Paused', paused: true, notes: 'theirs' }),
    ]);
    const sent = google.count(`/tagmanager/v2/${tag?.path}`, 'PUT');
    expect(sent).toBe(2);
    await pause();
    expect(google.count(`/tagmanager/v2/${tag?.path}`, 'PUT')).toBe(sent);
  });

  it('removes tag and trigger, and is content where there is none', async () => {
    const { path } = await workspace();
    const name = 'Order (7)';
    const trigger = await as((tagManager) => tagManager.ensureTrigger(id, path, { name, type: 'click' }));
    const spec = { name, type: 'awct', firingTriggerId: [trigger.id] };
    await as((tagManager) => tagManager.ensureTag(id, path, spec));
    for (const _time of [1, 2]) {
      await as((tagManager) => tagManager.removeTag(id, path, { marker: '7' }));
      await as((tagManager) => tagManager.removeTrigger(id, path, { marker: '7' }));
    }
    expect([...named('tags', name), ...named('triggers', name)]).toEqual([]);
  });

  it('deletes a workspace, and is content where there is none', async () => {
    const { path } = await workspace();
    const remove = () => as((tagManager) => tagManager.deleteWorkspace(id, container, { name: 'Set-up' }));
    for (const _time of [1, 2]) await remove();
    expect(named('workspaces', 'Set-up')).toEqual([]);
    const next = await workspace();
    expect(next.path).not.toBe(path);
    google.faults.set(`DELETE /tagmanager/v2/${next.path}`, [{ status: 403 }]);
    await expect(remove()).rejects.toMatchObject({ code: 'GOOGLE_REQUEST_REFUSED' });
  });
});

describe('over HTTP', () => {
  const accounts = () => `/api/v1/connections/${id}/tag-manager/accounts`;

  it('accounts and their containers are listed', async () => {
    const { status, body } = await owner.get(accounts());
    expect(status).toBe(200);
    expect(body.data).toContainEqual({
      accountId: account.replace('accounts/', ''),
      name: 'Bakery',
      path: account,
    });
    const containers = await owner.get(`${accounts()}/${account.replace('accounts/', '')}/containers`);
    expect(containers.body.data.map(({ path }: { path: string }) => path)).toEqual([container]);
  });

  it('they are for members, of the organization', async () => {
    const viewer = await newMember(service, owner, 'VIEWER');
    expect((await viewer.get(accounts())).status).toBe(403);
    const member = await newMember(service, owner, 'MEMBER');
    expect((await member.get(accounts())).status).toBe(200);
    const stranger = await newOwner(service);
    const { status, body } = await stranger.get(accounts());
    expect({ status, code: body.code }).toEqual({ status: 404, code: 'CONNECTION_NOT_FOUND' });
  });

  it('what is no id of Google is refused', async () => {
    for (const accountId of ['x', '1%2F..%2F2', '1'.repeat(20)]) {
      const { status, body } = await owner.get(`${accounts()}/${accountId}/containers`);
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'VALIDATION_FAILED' });
    }
  });

  it.each([
    [{ status: 429, headers: { 'retry-after': '120' } }, 503, 'GOOGLE_QUOTA_EXCEEDED', '120'],
    [{ status: 503, headers: { 'retry-after': '120' } }, 503, 'GOOGLE_UNAVAILABLE', '30'],
    [{ status: 404 }, 422, 'GOOGLE_REQUEST_REFUSED', null],
  ])('%j of Google is %i %s', async (fault, expected, code, retryAfter) => {
    google.faults.set('/tagmanager/v2/accounts', [fault]);
    const { status, body, headers } = await owner.get(accounts());
    expect({ status, code: body.code, retryAfter: headers.get('retry-after') }).toEqual({
      status: expected,
      code,
      retryAfter,
    });
  });

  it('who took the access away is told to connect again', async () => {
    const other = await connectGoogle(google, owner);
    google.takeAccessAway();
    const { status, body } = await owner.get(`/api/v1/connections/${other}/tag-manager/accounts`);
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'RECONNECT_REQUIRED' });
    id = await connectGoogle(google, owner);
  });
});
