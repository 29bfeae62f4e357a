import { describe, expect, inject, it } from 'vitest';
import { addMember, call, newProject, newUser, type TestUser } from '../support/api';
import { startService } from '../support/service';

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

describe('events of a project', () => {
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
