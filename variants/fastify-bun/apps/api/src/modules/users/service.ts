import type { ConcurrencyLimit } from '../../shared/lib/concurrency-limit.js';
import type { Log } from '../../shared/lib/logging/log.js';
import type { ChatAccess } from '../chat/types.js';
import { ExportInProgressError, UserNotFoundError } from './errors.js';
import type { UsersRepository } from './repository.js';
import type { UserRecords, UserRow } from './types.js';

export type UsersService = ReturnType<typeof createUsersService>;

interface Dependencies {
  readonly repository: UsersRepository;
  readonly chats: ChatAccess;
  readonly exports: ConcurrencyLimit;
  readonly log: Log;
}

export function createUsersService({ repository, chats, exports, log }: Dependencies) {
  return {
    /** @throws UserNotFoundError */
    async get(id: string): Promise<UserRow> {
      return (await repository.findById(id)) ?? missing();
    },

    /** @throws UserNotFoundError */
    async update(id: string, changes: { readonly name: string }): Promise<UserRow> {
      return (await repository.update(id, changes)) ?? missing();
    },

    /**
     * Everything that is kept of the user; the response's schema leaves secrets out. One export of a user runs at a time.
     *
     * @returns what it is made from, and a function to be called when it has ended
     * @throws UserNotFoundError, ExportInProgressError
     */
    async export(id: string): Promise<UserRecords & { end(): Promise<void> }> {
      const user = (await repository.findById(id)) ?? missing();
      const end = await exports.begin(id, 1);
      if (end === undefined) throw new ExportInProgressError();
      return { user, rowsOf: (list) => repository.rowsOf(id, list), end };
    },

    /**
     * Deletes the account with all that belongs to it, in one transaction, and stops what is being answered.
     *
     * @throws UserNotFoundError
     */
    async remove(id: string): Promise<void> {
      const running = await chats.findRunning(id);
      if (!(await repository.remove(id))) missing();
      // Those of other processes are told through Valkey; without it they end by themselves, as nobody can listen.
      await chats
        .stopAll(running)
        .catch((error) => log.warn({ err: error }, 'an answer could not be stopped'));
    },
  };
}

function missing(): never {
  throw new UserNotFoundError();
}
