import DataLoader from 'dataloader';
import { asUser } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import type { Member } from '@/lib/members/members';

/** What one request reads together: the members of all its projects in one query, however many projects there are. */
export function createLoaders(userId: string) {
  return { members: new DataLoader((projectIds: readonly string[]) => membersOf(userId, projectIds)) };
}

export type Loaders = ReturnType<typeof createLoaders>;

/** As many as a list may have; who wants more asks for them by REST, in pages. */
const MAX_MEMBERS = 100;

async function membersOf(userId: string, projectIds: readonly string[]): Promise<Member[][]> {
  const rows = await asUser(userId, async (tx) => {
    const result = await tx.query<Tables<'project_members'>>(
      `SELECT m.project_id, m.user_id, m.role, m.created_at FROM unnest($1::uuid[]) AS wanted (id)
       CROSS JOIN LATERAL (
         SELECT project_id, user_id, role, created_at FROM project_members
         WHERE project_id = wanted.id ORDER BY created_at, user_id LIMIT $2
       ) AS m`,
      [projectIds, MAX_MEMBERS],
    );
    return result.rows;
  });
  const byProject = Map.groupBy(rows, (row) => row.project_id);
  return projectIds.map((id) =>
    (byProject.get(id) ?? []).map((row) => ({
      userId: row.user_id,
      role: row.role,
      createdAt: row.created_at,
    })),
  );
}
