/**
 * Makes a thing once per process. Next.js bundles its handlers apart from the server, and evaluates a module again when
 * it is edited in development: neither may open a second pool.
 */
export function processWide<T>(name: string, create: () => T): T {
  const things = globalThis as unknown as Record<symbol, T | undefined>;
  const key = Symbol.for(`service:${name}`);
  things[key] ??= create();
  return things[key];
}
