/** `MIGR` in ASCII, the key of an advisory lock: processes that migrate the same database wait for each other. */
export const MIGRATION_LOCK = 0x4d494752;

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Refuses to delete the data of a database that is neither on this machine nor said not to be production.
 *
 * @throws Error that names the host
 */
export function assertMayReset(url: string, env: NodeJS.ProcessEnv = process.env): void {
  const { hostname } = new URL(url);
  const { NODE_ENV = LOOPBACK.has(hostname) ? 'development' : 'production' } = env;
  if (NODE_ENV === 'production') {
    throw new Error(
      `db:reset deletes all data on ${hostname}; production refuses it. If it is none: NODE_ENV=development`,
    );
  }
}
