import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { describe, expect, inject, it, vi } from 'vitest';
import type { Database } from '@/lib/database.types';
import { addMember, call, newProject, newUser, type TestUser } from '../support/api';
import { startService } from '../support/service';
import { openWay } from '../support/way';

interface Received {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Listens to a project until the stream ends; `next` waits for one more event, and gives undefined at the end. */
async function listen(user: TestUser, projectId: string, base = inject('url')) {
  const abort = new AbortController();
  const response = await fetch(`${base}/api/v1/projects/${projectId}/events`, {
    headers: { authorization: `Bearer ${user.token}` },
    signal: abort.signal,
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  const next = async (): Promise<Received | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const [, event = '', data = '{}'] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        return { event, data: JSON.parse(data) };
      }
      const { value, done } = await reader.read();
      if (done) return undefined;
      text += decoder.decode(value, { stream: true });
    }
  };
  return { response, next, close: () => abort.abort() };
}

/** PostgREST, as a client with the user's own token. */
const postgrest = (user: TestUser): SupabaseClient<Database> =>
  createClient<Database>(process.env.SUPABASE_URL ?? '', process.env.SUPABASE_PUBLISHABLE_KEY ?? '', {
    global: { headers: { authorization: `Bearer ${user.token}` } },
    auth: { persistSession: false, autoRefreshToken: false },
  });

describe('events of a project', () => {
  it('come on 20 streams of a user at the same time, and on no more', async () => {
    const ada = await newUser();
    const { id } = await newProject(ada);
    const streams = await Promise.all(Array.from({ length: 20 }, () => listen(ada, id)));
    expect(new Set(streams.map(({ response }) => response.status))).toEqual(new Set([200]));
    const follow = async (user: TestUser) => {
      const stream = await listen(user, id);
      stream.close();
      return stream.response.status;
    };
    expect(await follow(ada)).toBe(429);
    const grace = await newUser();
    await addMember(ada, id, grace.id, 'viewer');
    expect(await follow(grace)).toBe(200);
    for (const { close } of streams) close();
    await vi.waitFor(async () => expect(await follow(ada)).toBe(200), { timeout: 20_000 });
  });

  it('reach its members from whichever process the change was made in', async () => {
    const [ada, grace] = [await newUser(), await newUser()];
    const { id } = await newProject(ada);
    await addMember(ada, id, grace.id, 'viewer');
    const other = await startService();
    try {
      const stream = await listen(grace, id, other.url);
      expect(stream.response.headers.get('content-type')).toBe('text/event-stream');
      expect(await stream.next()).toEqual({ event: 'project', data: { projectId: id, version: 1 } });
      await call('PATCH', `/api/v1/projects/${id}`, {
        token: ada.token,
        body: { name: 'changed' },
        headers: { 'if-match': '"1"' },
      });
      expect(await stream.next()).toEqual({
        event: 'project.updated',
        data: { type: 'project.updated', projectId: id, version: 2 },
      });
      stream.close();
    } finally {
      await other.stop();
    }
  });

  it('end for a member who is removed', async () => {
    const [ada, grace] = [await newUser(), await newUser()];
    const { id } = await newProject(ada);
    await addMember(ada, id, grace.id, 'viewer');
    const stream = await listen(grace, id);
    await stream.next();
    await call('DELETE', `/api/v1/projects/${id}/members/${grace.id}`, { token: ada.token });
    expect(await stream.next()).toBeUndefined();
  });

  describe('of changes made through PostgREST', () => {
    it('reach members who listen', async () => {
      const [ada, grace] = [await newUser(), await newUser()];
      const { id } = await newProject(ada);
      const stream = await listen(ada, id);
      await stream.next();
      const rest = postgrest(ada);
      await rest.from('projects').update({ name: 'changed' }).eq('id', id).throwOnError();
      expect(await stream.next()).toEqual({
        event: 'project.updated',
        data: { type: 'project.updated', projectId: id, version: 2 },
      });
      // What was cached has ended before: who reads because of an event reads what is new.
      expect((await call('GET', `/api/v1/projects/${id}`, { token: ada.token })).body.data.name).toBe(
        'changed',
      );
      await rest.from('project_members').insert({ project_id: id, user_id: grace.id }).throwOnError();
      expect(await stream.next()).toMatchObject({ event: 'members.changed' });
      await rest.from('project_members').delete().eq('user_id', grace.id).throwOnError();
      expect(await stream.next()).toMatchObject({ event: 'members.changed' });
      await rest.from('projects').delete().eq('id', id).throwOnError();
      expect(await stream.next()).toMatchObject({ event: 'project.deleted' });
      expect(await stream.next()).toBeUndefined();
    });

    it('end the stream of a member who is removed, and tell it nothing', async () => {
      const [ada, grace] = [await newUser(), await newUser()];
      const { id } = await newProject(ada);
      await addMember(ada, id, grace.id, 'viewer');
      const stream = await listen(grace, id);
      await stream.next();
      const rest = postgrest(ada);
      await rest.from('project_members').delete().eq('user_id', grace.id).throwOnError();
      await rest.from('projects').update({ name: 'secret' }).eq('id', id).throwOnError();
      expect(await stream.next()).toBeUndefined();
    });

    it('are told again after the connection that listens was lost', async () => {
      const ada = await newUser();
      const { id } = await newProject(ada);
      const way = await openWay(process.env.DATABASE_URL ?? '');
      const service = await startService({ DATABASE_URL: way.url });
      try {
        const stream = await listen(ada, id, service.url);
        await stream.next();
        way.cut();
        expect(await stream.next()).toEqual({ event: 'resync', data: { type: 'resync', projectId: id } });
        await postgrest(ada).from('projects').update({ name: 'changed' }).eq('id', id).throwOnError();
        expect(await stream.next()).toMatchObject({ event: 'project.updated' });
        stream.close();
      } finally {
        await service.stop();
        way.close();
      }
    });
  });

  it('are not for strangers', async () => {
    const [ada, stranger] = [await newUser(), await newUser()];
    const { id } = await newProject(ada);
    const answer = await call('GET', `/api/v1/projects/${id}/events`, { token: stranger.token });
    expect(answer).toMatchObject({ status: 404, body: { code: 'PROJECT_NOT_FOUND' } });
  });

  it('do not keep a process from stopping', async () => {
    const ada = await newUser();
    const { id } = await newProject(ada);
    const service = await startService();
    const stream = await listen(ada, id, service.url);
    await stream.next();
    expect(await service.stop()).toBe(0);
    expect(await stream.next()).toBeUndefined();
  });
});
