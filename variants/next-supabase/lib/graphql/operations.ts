import { createHash } from 'node:crypto';

/**
 * Operations that clients may name by their SHA-256 (`extensions.persistedQuery.sha256Hash`) instead of sending them, and
 * the only ones where GRAPHQL_PERSISTED_ONLY is set. Whoever writes a client adds its operations here.
 */
export const OPERATIONS = {
  projectsWithMembers: /* GraphQL */ `
    query ProjectsWithMembers($limit: Int) {
      projects(limit: $limit) {
        data { id name version members(limit: 10) { userId role } }
        nextCursor
      }
    }
  `,
  project: /* GraphQL */ `
    query Project($id: ID!) {
      project(id: $id) { id name description version settings { isPublic features } }
    }
  `,
} as const;

export const hashOf = (operation: string): string => createHash('sha256').update(operation).digest('hex');

const byHash = new Map(Object.values(OPERATIONS).map((operation) => [hashOf(operation), operation]));

export const findOperation = (hash: string): string | null => byHash.get(hash) ?? null;
