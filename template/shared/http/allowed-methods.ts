/** Which methods the paths of the service have, for responses with 405 and `Allow`. HEAD goes with GET. */
export class AllowedMethods {
  private readonly paths = new Map<string, { pattern: RegExp; methods: Set<string> }>();

  /** @param path as it is declared, for example `/events/:id` */
  add(path: string, methods: readonly string[]): void {
    const source = path
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
      .join('/');
    const known = this.paths.get(path) ?? { pattern: new RegExp(`^${source}$`), methods: new Set() };
    for (const method of methods) known.methods.add(method);
    if (known.methods.has('GET')) known.methods.add('HEAD');
    this.paths.set(path, known);
  }

  /**
   * The value of `Allow`, for example `GET, HEAD, POST`; undefined if no path matches.
   *
   * @param url of the request, with its query
   */
  of(url: string): string | undefined {
    const path = url.split('?', 1)[0] ?? '/';
    const methods = [...this.paths.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap((known) => [...known.methods]);
    return methods.length === 0 ? undefined : [...new Set(methods)].sort().join(', ');
  }
}

/** The `detail` of a problem with 405. */
export function methodNotAllowed(method: string | undefined, allowed: string): string {
  return `${method} is not allowed at this path. Use ${allowed}.`;
}
