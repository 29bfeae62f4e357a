import { DomainError } from '../errors/domain-error.js';

/** The strong entity tag of a version: `"3"`. */
export function etag(version: number): string {
  return `"${version}"`;
}

/** Whether `If-None-Match` names this version (RFC 9110, 13.1.2: weak comparison, `*` for any). */
export function matchesNone(ifNoneMatch: string | undefined, version: number): boolean {
  return (
    ifNoneMatch !== undefined &&
    tags(ifNoneMatch).some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag(version))
  );
}

/**
 * The version that `If-Match` names.
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
