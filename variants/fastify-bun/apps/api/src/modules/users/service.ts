import type { UserExport } from '@app/shared';
import { UserNotFoundError } from './errors.js';
import type { UsersRepository } from './repository.js';
import type { UserRow } from './types.js';

export type UsersService = ReturnType<typeof createUsersService>;

export function createUsersService(repository: UsersRepository) {
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
     * Everything that is kept of the user; the answer's schema leaves secrets out.
     *
     * @throws UserNotFoundError
     */
    async export(id: string): Promise<UserExport> {
      return { exportedAt: new Date(), ...((await repository.collect(id)) ?? missing()) };
    },

    /**
     * Deletes the account with all that belongs to it, in one transaction.
     *
     * @throws UserNotFoundError
     */
    async remove(id: string): Promise<void> {
      if (!(await repository.remove(id))) missing();
    },
  };
}

function missing(): never {
  throw new UserNotFoundError();
}
