import 'reflect-metadata';
[% if variant == 'nest-prisma' -%]
import { expect, it } from '@jest/globals';
[% endif -%]
import { plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
[% if variant != 'nest-prisma' -%]
import { expect, it } from 'vitest';
[% endif -%]
import { IsInstant } from '../../src/common/validation/is-instant.js';
import { IsPlainText } from '../../src/common/validation/is-plain-text.js';
import { MayBeOmitted } from '../../src/common/validation/may-be-omitted.js';

class Sample {
  @IsInstant()
  readonly at!: unknown;

  @MayBeOmitted()
  @IsPlainText({ min: 1, max: 5 })
  readonly text?: unknown;
}

/** The members that are at fault. */
async function faults(sample: object): Promise<string[]> {
  const found = await validate(plainToInstance(Sample, { at: '2030-05-01T19:30:00Z', ...sample }));
  return found.map(({ property }) => property);
}

it.each([
  '2030-05-01T19:30:00Z',
  '2030-05-01T19:30:00.123456Z',
  '2030-05-01T21:30:00+02:00',
  '2028-02-29T00:00:00Z',
  '1985-04-12T23:20:50.52Z',
  '2026-03-29T02:30:00+01:00',
  '2030-05-01T00:00:00-12:34',
  '1000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
])('%s is a point in time', async (at) => {
  expect(await faults({ at })).toEqual([]);
});

it.each([
  '2030-05-01',
  '2030-05-01T19:30:00',
  '2030-02-30T00:00:00Z',
  '2029-02-29T00:00:00Z',
  '2030-13-01T00:00:00Z',
  '2030-05-01T24:00:01Z',
  '0999-12-31T23:59:59Z',
  '0099-01-01T00:00:00Z',
  '9999-12-31T23:59:59-00:01',
  '12030-05-01T00:00:00Z',
  'tomorrow',
  1_900_000_000,
  null,
])('%j is none', async (at) => {
  expect(await faults({ at })).toEqual(['at']);
});

it.each(['a', '12345', 'ü€😀', 'a\nb', undefined])('%j is plain text, or left out', async (text) => {
  expect(await faults({ text })).toEqual([]);
});

it.each(['', '   ', '123456', 'a\u0000', 'a\u001b[0m', 'a\u007f', '\ud800', null, 5, ['a']])(
  '%j is not',
  async (text) => {
    expect(await faults({ text })).toEqual(['text']);
  },
);
