import { invalidate } from '@/lib/cache/cache';
import { config } from '@/lib/config/config';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { redis } from '@/lib/redis/redis';

/** What happened to a project. Clients read the project again for the rest. */
export interface ProjectEvent {
  readonly type: 'project.updated' | 'project.deleted' | 'members.changed';
  readonly projectId: string;
  /** Of the project after an update. */
  readonly version?: number;
}

type Listener = (event: ProjectEvent) => void;

// A channel is no key: the prefix of keys does not hold for it.
const channelOf = (projectId: string) => `${config().OTEL_SERVICE_NAME}:project:${projectId}`;

/** The tag of all that is cached of a project. */
export const projectTag = (projectId: string) => `project:${projectId}`;

/** Ends what is cached of a project, and tells all processes. Call it after the commit; nothing fails with it. */
export async function announce(event: ProjectEvent): Promise<void> {
  await invalidate(projectTag(event.projectId));
  try {
    await redis().publish(channelOf(event.projectId), JSON.stringify(event));
  } catch (error) {
    log().warn({ err: error, ...event }, 'an event could not be published');
  }
}

/** One connection per process for all who listen: Redis gives one that subscribes to nothing else. */
function hub() {
  return processWide('events', () => {
    const listeners = new Map<string, Set<Listener>>();
    const subscriber = redis().duplicate({ enableOfflineQueue: true, maxRetriesPerRequest: null });
    subscriber.on('error', (error) => log().warn({ err: error }, 'the subscription to events was lost'));
    subscriber.on('message', (channel, message) => {
      for (const listener of listeners.get(channel) ?? []) listener(JSON.parse(message));
    });
    return { listeners, subscriber };
  });
}

/**
 * Calls back for each event of a project, from whichever process it comes.
 *
 * @returns how to stop that
 */
export async function subscribe(projectId: string, listener: Listener): Promise<() => void> {
  const { listeners, subscriber } = hub();
  const channel = channelOf(projectId);
  const others = listeners.get(channel);
  const all = others ?? new Set();
  all.add(listener);
  listeners.set(channel, all);
  if (others === undefined) await subscriber.subscribe(channel);
  return () => {
    all.delete(listener);
    if (all.size > 0 || listeners.get(channel) !== all) return;
    listeners.delete(channel);
    void subscriber.unsubscribe(channel).catch(() => {}); // the connection is lost, and the subscription with it
  };
}
