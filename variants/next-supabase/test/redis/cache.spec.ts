import type pg from 'pg';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { addMember, call, newProject, newUser, type TestUser } from '../support/api';
import { connectOwner } from '../support/database';
import { startService } from '../support/service';

let owner: pg.Pool;
let ada: TestUser;

beforeAll(async () => {
  owner = connectOwner();
  ada = await newUser();
  return () => owner.end();
});

const path = (id: string) => `/api/v1/projects/${id}`;

/** Past the service, as supabase-js in a browser does it. */
const renameBehindTheService = (id: string) =>
  owner.query(`UPDATE projects SET name = 'behind the back' WHERE id = $1`, [id]);

describe('the cache of projects', () => {
  it('answers a second read without the database', async () => {
    const { id } = await newProject(ada);
    await call('GET', path(id), { token: ada.token });
    const locked = await owner.connect();
    try {
      await locked.query('BEGIN');
      await locked.query('LOCK TABLE projects IN ACCESS EXCLUSIVE MODE');
      const { body } = await call('GET', path(id), { token: ada.token });
      expect(body.data.name).toBe('Analytical engine');
    } finally {
      await locked.query('ROLLBACK');
      locked.release();
    }
  });

  it('knows of writes past the service at once', async () => {
    const { id } = await newProject(ada);
    const member = await newUser();
    await addMember(ada, id, member.id, 'viewer');
    const read = () => call('GET', path(id), { token: member.token });
    expect((await read()).body.data.name).toBe('Analytical engine');
    await renameBehindTheService(id);
    await vi.waitFor(async () => expect((await read()).body.data.name).toBe('behind the back'));
    await owner.query('DELETE FROM project_members WHERE project_id = $1 AND user_id = $2', [id, member.id]);
    await vi.waitFor(async () => expect((await read()).status).toBe(404));
  });

  it('knows of every write of the service at once, in all processes', async () => {
    const { id } = await newProject(ada);
    const other = await startService();
    try {
      const readThere = async () =>
        (await call('GET', path(id), { token: ada.token }, other.url)).body.data.name;
      expect(await readThere()).toBe('Analytical engine');
      await call('PATCH', path(id), {
        token: ada.token,
        body: { name: 'changed' },
        headers: { 'if-match': '"1"' },
      });
      expect(await readThere()).toBe('changed');
    } finally {
      await other.stop();
    }
  });

  it("never answers from another user's entry", async () => {
    const { id } = await newProject(ada);
    const stranger = await newUser();
    expect((await call('GET', path(id), { token: ada.token })).status).toBe(200);
    expect((await call('GET', path(id), { token: stranger.token })).status).toBe(404);
  });

  it('forgets what a member saw when the member is removed', async () => {
    const { id } = await newProject(ada);
    const member = await newUser();
    await addMember(ada, id, member.id, 'viewer');
    expect((await call('GET', path(id), { token: member.token })).status).toBe(200);
    await call('DELETE', `${path(id)}/members/${member.id}`, { token: ada.token });
    expect((await call('GET', path(id), { token: member.token })).status).toBe(404);
  });

  it('forgets a project that is deleted', async () => {
    const { id } = await newProject(ada);
    await call('GET', path(id), { token: ada.token });
    await call('DELETE', path(id), { token: ada.token, headers: { 'if-match': '"1"' } });
    expect((await call('GET', path(id), { token: ada.token })).status).toBe(404);
  });

  it('is passed by where Redis does not answer', async () => {
    const { id } = await newProject(ada);
    const service = await startService({ REDIS_URL: 'redis://127.0.0.1:1' });
    try {
      const { status } = await call('GET', path(id), { token: ada.token }, service.url);
      expect(status).toBe(200);
      await renameBehindTheService(id);
      const { body } = await call('GET', path(id), { token: ada.token }, service.url);
      expect(body.data.name).toBe('behind the back');
    } finally {
      await service.stop();
    }
  });
});
