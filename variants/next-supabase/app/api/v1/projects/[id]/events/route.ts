import { z } from 'zod';
import { handler } from '@/lib/api/handler';
import { id } from '@/lib/api/schemas';
import { authenticate } from '@/lib/auth';
import { eventStream } from '@/lib/events/event-stream';
import { subscribe } from '@/lib/events/project-events';
import { getProject } from '@/lib/projects/projects';

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
          .describe('project first, then project.updated, project.deleted and members.changed'),
      },
    },
    problems: ['PROJECT_NOT_FOUND'],
  },
  async ({ request, caller, params }) => {
    const maySee = () =>
      getProject(caller.userId, params.id).then(
        () => true,
        () => false,
      );
    await getProject(caller.userId, params.id);
    const stream = eventStream(
      request.signal,
      async () => (await authenticate(request)) !== null && (await maySee()),
      async ({ send, close }) => {
        const stop = await subscribe(params.id, (event) => {
          // Whoever is no member any more hears nothing more, and not even why.
          void maySee().then((allowed) => {
            if (allowed || event.type === 'project.deleted') send(event.type, event);
            if (!allowed) close();
          });
        });
        // After the subscription: what changes from now on comes as an event.
        const { version } = await getProject(caller.userId, params.id);
        send('project', { projectId: params.id, version });
        return stop;
      },
    );
    return { status: 200, stream };
  },
);
