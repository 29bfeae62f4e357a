import { AsyncLocalStorage } from 'node:async_hooks';

const door = new AsyncLocalStorage<true>();

/** Runs a raw statement of Prisma's, which is refused everywhere else. For `Database.sql()` alone. */
export function throughRawDoor<Result>(work: () => Promise<Result>): Promise<Result> {
  return door.run(true, work);
}

export function isRawAllowed(): boolean {
  return door.getStore() === true;
}
