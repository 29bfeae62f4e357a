import { invalidate } from '@/lib/cache/cache';
import { listener } from '@/lib/database/listener';
import { processWide } from '@/lib/process-wide';

/** Filled by triggers on `projects` and `project_members`, for every writer: this service, PostgREST, a console. */
const CHANNEL = 'project_events';

/**
 * What happened to a project. Clients read the project again for the rest. `resync`: notifications were lost, and
 * anything may have happened.
 */
export interface ProjectEvent {
  readonly type: 'project.updated' | 'project.deleted' | 'members.changed' | 'resync';
  readonly projectId: string;
  /** Of the project after an update. */
  readonly version?: number;
}

type Subscriber = (event: ProjectEvent) => void;

/** The tags of all that is cached of a project: its own, and one that ends what is cached of all. */
export const projectTags = (projectId: string) => [projectTag(projectId), ALL_PROJECTS];
export const projectTag = (projectId: string) => `project:${projectId}`;
const ALL_PROJECTS = 'projects';

/** Who listens to a project. */
interface Audience {
  readonly subscribers: Set<Subscriber>;
  /** Settles when all events before have been told. */
  last: Promise<void>;
}

/** One connection per process for all who listen, and for the cache. */
function hub() {
  return processWide('events', () => {
    const audiences = new Map<string, Audience>();
    /**
     * Tells of events in the order of arrival, after what is cached has ended: a client that hears of a change does not read what
     * was before. While Redis does not answer, only the streams of the same project wait.
     */
    const publish = (event: ProjectEvent, uncached: Promise<void>) => {
      const audience = audiences.get(event.projectId);
      if (audience === undefined) return;
      audience.last = audience.last
        .then(() => uncached)
        .then(() => {
          for (const tell of audience.subscribers) tell(event);
        });
    };
    const connection = listener(CHANNEL, {
      received: (payload) => {
        const event = JSON.parse(payload) as ProjectEvent;
        publish(event, invalidate(projectTag(event.projectId)));
      },
      connected: (again) => {
        const uncached = invalidate(ALL_PROJECTS);
        if (!again) return;
        for (const projectId of audiences.keys()) publish({ type: 'resync', projectId }, uncached);
      },
    });
    return { audiences, connection };
  });
}

/** Ends what is cached of a project with each change of it or its members, also one that was made past this service. */
export const watchProjects = (): void => void hub();

/**
 * Calls back for each event of a project, from whichever process or client it comes.
 *
 * @returns how to stop that
 * @throws DomainError DATABASE_UNAVAILABLE
 */
export async function subscribe(projectId: string, subscriber: Subscriber): Promise<() => void> {
  const { audiences, connection } = hub();
  await connection.ready();
  const audience = audiences.get(projectId) ?? { subscribers: new Set(), last: Promise.resolve() };
  audience.subscribers.add(subscriber);
  audiences.set(projectId, audience);
  return () => {
    audience.subscribers.delete(subscriber);
    if (audience.subscribers.size === 0 && audiences.get(projectId) === audience) audiences.delete(projectId);
  };
}
