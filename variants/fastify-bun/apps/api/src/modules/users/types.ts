import type { UserExport } from '@app/shared';
import type { users } from '../../shared/db/schema/index.js';

export type UserRow = typeof users.$inferSelect;

/** The lists of an export. */
export type ExportedList = keyof Omit<UserExport, 'exportedAt' | 'user'>;

/** What an export is made from. */
export interface UserRecords {
  readonly user: UserRow;
  /** Reads the rows of a list, page by page. */
  rowsOf(list: ExportedList): AsyncGenerator<unknown>;
}
