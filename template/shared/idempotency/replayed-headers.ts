const NAMES = ['etag', 'location'] as const;

/**
 * The headers of a response that its replay has too.
 *
 * @param read one header of the response; undefined if it has none
 */
export function replayedHeaders(read: (name: string) => unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of NAMES) {
    const value = read(name);
    if (value !== undefined) headers[name] = String(value);
  }
  return headers;
}
