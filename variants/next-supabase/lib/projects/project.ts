import { z } from 'zod';
import { plainText, time } from '@/lib/api/schemas';
import type { Json, Tables } from '@/lib/database.types';

const settings = z.strictObject({
  isPublic: z.boolean(),
  features: z.array(plainText(1, 50)).max(50),
});

const name = plainText(1, 100);
const description = plainText(0, 2_000);

/** `POST /projects` and `PUT /projects/[id]`: what is left out is what it was in the beginning. */
export const projectInput = z.strictObject({
  name,
  description: description.nullable().default(null),
  settings: settings.default({ isPublic: false, features: [] }),
});

/** `PATCH /projects/[id]`: what is left out stays as it is. */
export const projectChanges = z
  .strictObject({ name, description: description.nullable(), settings })
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'must name at least one member to change');

export type ProjectInput = z.output<typeof projectInput>;
export type ProjectChanges = z.output<typeof projectChanges>;

/** A project as the API shows it. */
export const project = z
  .strictObject({
    id: z.uuid(),
    ownerId: z.uuid(),
    name: z.string(),
    description: z.string().nullable(),
    settings: z.strictObject({ isPublic: z.boolean(), features: z.array(z.string()) }),
    version: z.int(),
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'Project' });

export type Project = Readonly<z.output<typeof project>>;

export type ProjectRow = Tables<'projects'>;

/** Settings as the API shows them. A release before the constraint on the column stored whatever a client sent. */
function presentSettings(stored: Json): Project['settings'] {
  const known = settings.safeParse(stored);
  if (known.success) return known.data;
  const { isPublic, features } = isObject(stored) ? stored : {};
  return {
    isPublic: isPublic === true,
    features: Array.isArray(features) ? features.filter((feature) => typeof feature === 'string') : [],
  };
}

const isObject = (value: Json): value is { [member: string]: Json | undefined } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function present(row: ProjectRow): Project {
  return {
    id: row.id,
    ownerId: row.user_id,
    name: row.name,
    description: row.description,
    settings: presentSettings(row.settings),
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
