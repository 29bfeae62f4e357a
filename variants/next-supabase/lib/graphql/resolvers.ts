import { z } from 'zod';
import { id, pageQuery } from '@/lib/api/schemas';
import { validate } from '@/lib/api/validate';
import type { Identity } from '@/lib/auth/identity';
import { asUser } from '@/lib/database/transaction';
import { DomainError } from '@/lib/errors/domain-error';
import { type Project, projectChanges, projectInput } from '@/lib/projects/project';
import {
  createProject,
  deleteProject,
  getProject,
  listProjects,
  updateProject,
} from '@/lib/projects/projects';
import type { Loaders } from './loaders';

/** What every resolver knows of the request. */
export interface GraphContext {
  readonly caller: Identity;
  readonly loaders: Loaders;
}

const version = z.int().min(1);
const target = z.strictObject({ id, version });

/** Reading is what the route has asked for already. */
function assertMayWrite({ caller }: GraphContext): void {
  if (caller.kind === 'api-key' && !caller.scopes.includes('projects:write')) {
    throw new DomainError('The API key needs the scope projects:write.', 'INSUFFICIENT_SCOPE');
  }
}

/** The same services and schemas as REST: nothing is allowed here that is not allowed there. */
export const resolvers = {
  Query: {
    project: async (_: unknown, given: unknown, { caller }: GraphContext) => {
      const { id: wanted } = validate(z.strictObject({ id }), given);
      return getProject(caller.userId, wanted).catch((error: unknown) => {
        if (error instanceof DomainError && error.code === 'PROJECT_NOT_FOUND') return null;
        throw error;
      });
    },
    projects: async (_: unknown, given: unknown, { caller }: GraphContext) => {
      const { data, page } = await listProjects(caller.userId, validate(pageQuery, given));
      return { data, nextCursor: page.nextCursor };
    },
  },
  Mutation: {
    createProject: async (_: unknown, { input }: { input: unknown }, context: GraphContext) => {
      assertMayWrite(context);
      const project = validate(projectInput, input);
      return asUser(context.caller.userId, (tx) => createProject(tx, context.caller, project));
    },
    updateProject: async (_: unknown, { changes, ...given }: { changes: unknown }, context: GraphContext) => {
      assertMayWrite(context);
      const at = validate(target, given);
      return updateProject(context.caller, at.id, at.version, validate(projectChanges, changes));
    },
    deleteProject: async (_: unknown, given: unknown, context: GraphContext) => {
      assertMayWrite(context);
      const at = validate(target, given);
      await deleteProject(context.caller.userId, at.id, at.version);
      return at.id;
    },
  },
  Project: {
    members: async (project: Project, given: unknown, { loaders }: GraphContext) => {
      const { limit } = validate(pageQuery.pick({ limit: true }), given);
      return (await loaders.members.load(project.id)).slice(0, limit);
    },
  },
};
