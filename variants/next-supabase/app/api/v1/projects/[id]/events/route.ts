import { z } from 'zod';
import { handler } from '@/lib/api/handler';
import { id } from '@/lib/api/schemas';
import { authenticate } from '@/lib/auth';
import { eventStream } from '@/lib/events/event-stream';
import { type ProjectEvent, subscribe } from '@/lib/events/project-events';
import { readProject } from '@/lib/projects/projects';

const params = z.strictObject({ id });

/**
 * Server-sent events of a project. The first one, `project`, tells its version, so that whoever connects again knows
 * whether something was missed.
 */
export const GET = handler(
  {
    operationId: 'followProject',
    summary: 'What happens to a project, as server-sent events',
    access: 'projects:read',
    params,
    answers: {
      200: {
        'text/event-stream': z
          .unknown()
          .describe(
            'project first, then project.updated, project.deleted and members.changed; resync after events may have been lost',
          ),
      },
    },
    problems: ['PROJECT_NOT_FOUND', 'TOO_MANY_STREAMS'],
  },
  async ({ request, caller, params }) => {
    // Past the cache, which does not know of writes made past the service.
    const read = () => readProject(caller.userId, params.id);
    const isSignedIn = async () => (await authenticate(request)) !== null;
    const maySee = () =>
      read().then(
        () => true,
        () => false,
      );
    await read();
    const stream = eventStream(
      caller.userId,
      request.signal,
      async () => (await isSignedIn()) && (await maySee()),
      async ({ send, close }) => {
        const deliver = async (event: ProjectEvent) => {
          // A removed member and a revoked key or session get nothing more, and not even the reason.
          if (!(await isSignedIn())) return close();
          const allowed = await maySee();
          if (allowed || event.type === 'project.deleted') send(event.type, event);
          if (!allowed) close();
        };
        let last = Promise.resolve();
        const stop = await subscribe(params.id, (event) => {
          last = last.then(() => deliver(event)).catch(close);
        });
        // After the subscription: what changes from now on comes as an event.
        const { version } = await read();
        send('project', { projectId: params.id, version });
        return stop;
      },
    );
    return { status: 200, stream };
  },
);
