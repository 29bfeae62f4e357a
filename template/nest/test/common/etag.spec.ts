import { describe, expect, it } from '[[ test_api ]]';
import { DomainError } from '../../src/common/errors/domain-error.js';
import { etag, expectedVersion, matchesNone, requiredVersion } from '../../src/common/http/etag.js';

/** The code of the error that a function throws. */
function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof DomainError) return error.code;
  }
  return undefined;
}

describe('If-None-Match', () => {
  it.each(['"3"', 'W/"3"', '"1", "3"', '"1",W/"3"', '*'])('%s names version 3', (header) => {
    expect(matchesNone(header, 3)).toBe(true);
  });

  it.each([undefined, '', '3', '"30"', '"1", "2"'])('%s does not', (header) => {
    expect(matchesNone(header, 3)).toBe(false);
  });
});

describe('If-Match', () => {
  it('gives back the version that its ETag was made of', () => {
    expect(requiredVersion(etag(41))).toBe(41);
  });

  it.each([
    ['"3"', 3],
    ['W/"3"', 3],
    ['"3.120"', 3],
    ['*', 7],
    ['"3", W/"7"', 7],
    ['"3", "4"', 0],
    ['"abc"', 0],
    ['"9999999999"', 0],
  ])('%s is for version %i where the current one is 7', async (header, version) => {
    expect(await expectedVersion(header, async () => 7)).toBe(version);
  });

  it.each(['', '3', '"3', 'W/3', '"3" "4"', '"3",'])('%j is malformed', async (header) => {
    await expect(expectedVersion(header, async () => 7)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  it('is required', () => {
    expect(codeOf(() => requiredVersion(undefined))).toBe('PRECONDITION_REQUIRED');
  });

  it.each(['', '3', 'W/"3"', '*', '"3", "4"', '"-1"', '"9999999999"'])(
    '%j names no single version',
    (header) => {
      expect(codeOf(() => requiredVersion(header))).toBe('BAD_REQUEST');
    },
  );
});
