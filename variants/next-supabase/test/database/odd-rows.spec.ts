import { describe, expect, it } from 'vitest';
import { time } from '@/lib/database/pool';
import { type ProjectRow, present } from '@/lib/projects/project';

/** Rows that earlier releases stored, before the database had the rules of the API. */
const row = (settings: ProjectRow['settings']): ProjectRow => ({
  id: '00000000-0000-4000-8000-000000000000',
  user_id: '00000000-0000-4000-8000-000000000000',
  name: 'Loom',
  description: null,
  settings,
  version: 1,
  created_at: '2030-01-01T00:00:00.000Z',
  updated_at: '2030-01-01T00:00:00.000Z',
});

describe('a row that breaks the rules of the API', () => {
  it.each<[stored: ProjectRow['settings'], isPublic: boolean, features: string[]]>([
    [{}, false, []],
    [{ isPublic: true }, true, []],
    [{ isPublic: 'yes', features: ['a', 1, null] }, false, ['a']],
    [{ isPublic: true, features: 'a', other: 1 }, true, []],
    [[], false, []],
  ])('is shown with settings of the documented shape: %j', (stored, isPublic, features) => {
    expect(present(row(stored)).settings).toEqual({ isPublic, features });
  });

  it.each([
    ['2030-01-01 00:00:00.123+00', '2030-01-01T00:00:00.123Z'],
    ['infinity', '9999-12-31T23:59:59.999Z'],
    ['12026-01-01 00:00:00+00', '9999-12-31T23:59:59.999Z'],
    ['294276-12-31 23:59:59+00', '9999-12-31T23:59:59.999Z'],
    ['-infinity', '0000-01-01T00:00:00.000Z'],
    ['0044-03-15 00:00:00+00 BC', '0000-01-01T00:00:00.000Z'],
  ])('has times that JSON can carry: %s', (stored, shown) => {
    expect(time(stored)).toBe(shown);
  });
});
