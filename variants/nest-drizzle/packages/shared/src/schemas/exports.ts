import { z } from 'zod';
import { id, instant } from './common.js';
import { project } from './projects.js';
import { task } from './tasks.js';

export const EXPORT_STATUSES = ['waiting', 'done', 'failed'] as const;

export const exportContent = z.object({ project, tasks: z.array(task) });

export const projectExport = z
  .object({
    id,
    projectId: id,
    status: z.enum(EXPORT_STATUSES),
    content: exportContent.nullable(),
    error: z.string().nullable().describe('why it failed'),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'ProjectExport' });

export type ExportContent = z.output<typeof exportContent>;
export type ProjectExport = z.output<typeof projectExport>;
