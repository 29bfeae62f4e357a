import { z } from 'zod';
import { id, instant, pageOf, pageQuery, plainText, version } from './common.js';

export const createProject = z
  .strictObject({ name: plainText(1, 100), description: plainText(0, 2_000).default('') })
  .meta({ id: 'CreateProject' });

export const updateProject = z
  .strictObject({ name: plainText(1, 100), description: plainText(0, 2_000) })
  .partial()
  .meta({ id: 'UpdateProject' });

export const project = z
  .object({
    id,
    name: z.string(),
    description: z.string(),
    version,
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Project' });

export const projectStats = z
  .object({ projectId: id, tasksCreated: z.int(), tasksDeleted: z.int() })
  .meta({ id: 'ProjectStats', description: 'counted from events, so a moment behind' });

export const listProjects = pageQuery.extend({
  q: plainText(1, 100).optional().meta({ description: 'a part of the name' }),
});

export const projectPage = pageOf(project).meta({ id: 'ProjectPage' });

export type CreateProject = z.output<typeof createProject>;
export type UpdateProject = z.output<typeof updateProject>;
export type Project = z.output<typeof project>;
export type ProjectStats = z.output<typeof projectStats>;
export type ListProjects = z.output<typeof listProjects>;
