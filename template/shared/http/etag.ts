import { DomainError } from '../errors/domain-error.js';

/**
 * The strong entity tag of a version: `"3"`.
 *
 * @param count of what changes the representation and is no edit, for example sales: `"3.120"`
 */
export function etag(version: number, count = 0): string {
  return count === 0 ? `"${version}"` : `"${version}.${count}"`;
}

/** Whether `If-None-Match` names this version (RFC 9110, 13.1.2: weak comparison, `*` for any). */
export function matchesNone(ifNoneMatch: string | undefined, version: number, count = 0): boolean {
  return (
    ifNoneMatch !== undefined &&
    tags(ifNoneMatch).some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag(version, count))
  );
}

/** An entity tag of RFC 9110, 8.8.3. A version is what `etag` has put in front. */
const ENTITY_TAG = /^(?:W\/)?"(?:(\d{1,9})(?:\.\d+)?|[\x21\x23-\x7e\x80-\xff]*)"$/;

/** No row has this version, so the change is refused with 412. */
const NO_VERSION = 0;

/**
 * The version that a change is meant for, by `If-Match` (RFC 9110, 13.1.1): the current one for `*`, or if the list has it.
 * Weak tags count like strong ones, since a proxy that compresses responses weakens the tags of what clients read.
 *
 * @param readCurrent is called for `*` and for a list of several tags
 * @returns a version for the change's own comparison
 * @throws DomainError PRECONDITION_REQUIRED where the header is missing, BAD_REQUEST where it is malformed
 */
export async function expectedVersion(
  ifMatch: string | undefined,
  readCurrent: () => Promise<number>,
): Promise<number> {
  if (ifMatch === undefined) return requiredVersion(ifMatch);
  if (ifMatch.trim() === '*') return readCurrent();
  const versions = tags(ifMatch).map((tag) => {
    const match = ENTITY_TAG.exec(tag);
    if (match === null) {
      throw new DomainError('If-Match must be *, or entity tags as ETag gave them, e.g. "3".', 'BAD_REQUEST');
    }
    return match[1] === undefined ? NO_VERSION : Number(match[1]);
  });
  if (versions.length === 1) return versions[0] ?? NO_VERSION;
  const current = await readCurrent();
  return versions.includes(current) ? current : NO_VERSION;
}

/**
 * The version that `If-Match` names. `expectedVersion` follows RFC 9110 for weak tags, lists and `*` as well.
 *
 * @throws DomainError PRECONDITION_REQUIRED where the header is missing, BAD_REQUEST where it names no single version
 */
export function requiredVersion(ifMatch: string | undefined): number {
  if (ifMatch === undefined) {
    throw new DomainError(
      'Send If-Match with the ETag that you last read, e.g. If-Match: "3".',
      'PRECONDITION_REQUIRED',
    );
  }
  const version = /^"(\d{1,9})"$/.exec(ifMatch.trim())?.[1];
  if (version === undefined) {
    throw new DomainError('If-Match must be one strong entity tag as ETag gave it, e.g. "3".', 'BAD_REQUEST');
  }
  return Number(version);
}

function tags(header: string): string[] {
  return header.split(',').map((tag) => tag.trim());
}
