import { config } from '@/lib/config/config';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { redis } from '@/lib/redis/redis';

/** Seconds; much longer than any entry lives, so that no entry outlives the tag that would end it. */
const TAG_TTL = 86_400;

/** What was loaded, under which versions of its tags. */
interface Entry {
  readonly tags: (string | null)[];
  readonly value: unknown;
}

const loading = () => processWide('loading', () => new Map<string, Promise<unknown>>());

/**
 * A value from Redis, or from `load` where Redis has none that is fresh. Concurrent callers of one process share one
 * load. Without Redis every call loads.
 *
 * An entry is fresh while its tags are what they were when it was loaded: they are read before the load, so a change in
 * the meantime makes it stale, and not the other way round.
 *
 * @param key names the value, and with it the user who may see it
 * @param tags what the value was made of; {@link invalidate} ends all entries that have one
 * @param load must return what JSON can carry
 */
export async function cached<T>(key: string, tags: readonly string[], load: () => Promise<T>): Promise<T> {
  const ttl = config().CACHE_TTL_SECONDS;
  if (ttl === 0) return load();
  const versions = await read(key, tags);
  if (versions === undefined) return load();
  if (versions.fresh) return versions.value as T;
  // With the versions, so that nobody who has seen a change joins a load that began before it.
  const flight = `${key} ${versions.tags.join()}`;
  const shared = loading().get(flight);
  if (shared !== undefined) return shared as Promise<T>;
  const promise = load().then((value) => {
    void write(key, { tags: versions.tags, value }, ttl);
    return value;
  });
  loading().set(flight, promise);
  try {
    return await promise;
  } finally {
    loading().delete(flight);
  }
}

/** Ends every entry that has one of the tags, in all processes. Call it after the commit. */
export async function invalidate(...tags: string[]): Promise<void> {
  try {
    const commands = redis().multi();
    for (const tag of tags) commands.incr(tagKey(tag)).expire(tagKey(tag), TAG_TTL);
    await commands.exec();
  } catch (error) {
    log().warn({ err: error, tags }, 'cached values could not be ended: they stay until they run out');
  }
}

const tagKey = (tag: string) => `tag:${tag}`;
const entryKey = (key: string) => `cache:${key}`;

/** @returns undefined where Redis does not answer */
async function read(key: string, tags: readonly string[]) {
  try {
    const [text, ...current] = await redis().mget(entryKey(key), ...tags.map(tagKey));
    const entry = text ? (JSON.parse(text) as Entry) : undefined;
    const fresh = entry !== undefined && current.every((version, index) => version === entry.tags[index]);
    return { fresh, value: entry?.value, tags: current };
  } catch (error) {
    log().warn({ err: error }, 'the cache could not be read');
    return undefined;
  }
}

async function write(key: string, entry: Entry, ttl: number): Promise<void> {
  try {
    await redis().set(entryKey(key), JSON.stringify(entry), 'EX', ttl);
  } catch (error) {
    log().warn({ err: error }, 'the cache could not be written');
  }
}
