import type { ApiRequest, Reply } from './fake-google.js';

type Entity = Record<string, unknown> & {
  readonly path: string;
  readonly name: string;
  readonly fingerprint: string;
};

/** What a workspace or a version holds, by kind and id: `tags/5`. */
type Content = ReadonlyMap<string, Entity>;

/** What a list calls its items, and the items their ids. */
const KINDS: Readonly<Record<string, { items: string; id: string }>> = {
  accounts: { items: 'account', id: 'accountId' },
  containers: { items: 'container', id: 'containerId' },
  workspaces: { items: 'workspace', id: 'workspaceId' },
  variables: { items: 'variable', id: 'variableId' },
  triggers: { items: 'trigger', id: 'triggerId' },
  tags: { items: 'tag', id: 'tagId' },
  versions: { items: 'containerVersionHeader', id: 'containerVersionId' },
};

/**
 * Tag Manager's API: entities by their paths, in lists of few, with names that are unique where they are. A workspace begins with
 * what the latest version holds; a version takes the changes of its workspace, unless a later one has changed the same; an update
 * with the fingerprint of another state is refused (https://developers.google.com/tag-platform/tag-manager/api/v2/devguide).
 */
export class FakeTagManager {
  /** How many a page of a list has. */
  pageSize = 50;
  /** The version that the web site gets, by the path of the container. */
  readonly live = new Map<string, string>();
  private readonly entities = new Map<string, Entity>();
  /** Of versions, and what workspaces began with, by their paths. */
  private readonly contents = new Map<string, Content>();
  private nextId = 1;
  private nextFingerprint = 1;

  /** @param parent such as `accounts/1`; nothing for an account. @returns the path */
  add(parent: string, kind: string, members: Record<string, unknown>): string {
    const id = String(this.nextId++);
    const path = parent === '' ? `${kind}/${id}` : `${parent}/${kind}/${id}`;
    const own = kind === 'containers' ? { publicId: `GTM-${id.padStart(6, '0')}` } : {};
    const entity = { name: '', ...members, ...own, path, [KINDS[kind]?.id ?? 'id']: id };
    this.entities.set(path, { ...entity, fingerprint: this.fingerprint() });
    if (kind === 'workspaces') this.fill(path);
    return path;
  }

  /** What the web site gets. @param kind such as `tags` */
  published(container: string, kind: string): Entity[] {
    const content = this.contents.get(this.live.get(container) ?? '') ?? new Map<string, Entity>();
    return [...content].filter(([key]) => key.startsWith(`${kind}/`)).map(([, entity]) => entity);
  }

  /** Somebody works on it in Google's user interface: their version is the latest, and live. */
  edit(container: string, change: (workspace: string) => void): void {
    this.publish(this.draft(container, change));
  }

  /** As `edit`, but their version is not published. @returns its path */
  draft(container: string, change: (workspace: string) => void): string {
    const workspace = this.add(container, 'workspaces', { name: `by hand ${this.nextId}` });
    change(workspace);
    const { body } = this.createVersion(workspace, { name: 'by hand' });
    return (body as { containerVersion: Entity }).containerVersion.path;
  }

  /** Deletes an entity with what is in it. */
  drop(path: string): void {
    this.delete(path);
  }

  /** Changes an entity, as an update does. */
  put(path: string, members: object): void {
    const entity = { name: '', ...members, path, [KINDS[kindOf(path)]?.id ?? 'id']: path.split('/').at(-1) };
    this.entities.set(path, { ...entity, fingerprint: this.fingerprint() });
  }

  /** Those of a kind, wherever they are. */
  all(kind: string): Entity[] {
    return [...this.entities.values()].filter(({ path }) => path.split('/').at(-2) === kind);
  }

  respond({ method, path: url, query, body }: ApiRequest): Reply {
    const path = url.replace('/tagmanager/v2/', '');
    if (path.endsWith(':create_version'))
      return this.createVersion(path.replace(':create_version', ''), body);
    if (path.endsWith(':publish')) return this.publish(path.replace(':publish', ''));
    if (path.endsWith('/versions:live')) return this.respondLive(path.replace('/versions:live', ''));
    if (path.endsWith('/status')) return this.status(path.replace('/status', ''));
    if (method === 'PUT') return this.update(path, query.get('fingerprint'), body);
    if (method === 'DELETE') return this.entities.has(path) ? this.delete(path) : refuse(404, 'notFound');
    const [parent, kind] = split(path.replace('version_headers', 'versions'));
    if (parent !== '' && !this.entities.has(parent)) return refuse(404, 'notFound');
    return method === 'POST'
      ? this.create(parent, kind, body)
      : this.list(parent, kind, query.get('pageToken'));
  }

  private list(parent: string, kind: string, pageToken: string | null): Reply {
    const found = this.all(kind).filter(({ path }) => split(split(path)[0])[0] === parent);
    const start = Number(pageToken ?? 0);
    const end = start + this.pageSize;
    const items = found.slice(start, end);
    return {
      status: 200,
      body: {
        ...(items.length > 0 && { [KINDS[kind]?.items ?? kind]: items }),
        ...(end < found.length && { nextPageToken: String(end) }),
      },
    };
  }

  private create(parent: string, kind: string, body: { name: string }): Reply {
    const siblings = this.all(kind).filter(({ path }) => split(split(path)[0])[0] === parent);
    if (siblings.some(({ name }) => name === body.name)) return refuse(400, 'duplicateName');
    return { status: 200, body: this.entities.get(this.add(parent, kind, body)) ?? {} };
  }

  private update(path: string, fingerprint: string | null, body: { name: string }): Reply {
    const entity = this.entities.get(path);
    if (entity === undefined) return refuse(404, 'notFound');
    if (fingerprint !== null && fingerprint !== entity.fingerprint) return refuse(412, 'conditionNotMet');
    if (this.siblings(split(path)[0]).some((each) => each.path !== path && each.name === body.name))
      return refuse(400, 'duplicateName');
    this.put(path, body);
    return { status: 200, body: this.entities.get(path) ?? {} };
  }

  private status(workspace: string): Reply {
    if (!this.entities.has(workspace)) return refuse(404, 'notFound');
    const workspaceChange = this.changes(workspace).map(([key]) => ({ changeStatus: 'updated', key }));
    return { status: 200, body: workspaceChange.length > 0 ? { workspaceChange } : {} };
  }

  private respondLive(container: string): Reply {
    const version = this.entities.get(this.live.get(container) ?? '');
    return version === undefined ? refuse(404, 'notFound') : { status: 200, body: version };
  }

  private createVersion(workspace: string, body: { name: string }): Reply {
    if (!this.entities.has(workspace)) return refuse(404, 'notFound');
    const changes = this.changes(workspace);
    if (changes.length === 0) return refuse(400, 'badRequest');
    const [container = ''] = workspace.split('/workspaces/');
    const content = new Map(this.latest(container));
    const base = this.contents.get(workspace);
    if (changes.some(([key]) => content.get(key)?.fingerprint !== base?.get(key)?.fingerprint))
      return { status: 200, body: { syncStatus: { mergeConflict: true } } };
    for (const [key, entity] of changes) {
      if (entity === undefined) content.delete(key);
      else content.set(key, entity);
    }
    this.delete(workspace);
    const path = this.add(container, 'versions', body);
    this.contents.set(path, content);
    return { status: 200, body: { containerVersion: this.entities.get(path) } };
  }

  /** What the latest version of a container holds, published or not. */
  private latest(container: string): Content {
    return this.contents.get(this.versionsOf(container).at(-1)?.path ?? '') ?? new Map();
  }

  private versionsOf(container: string): Entity[] {
    return this.all('versions').filter(({ path }) => path.startsWith(`${container}/`));
  }

  private fill(workspace: string): void {
    const content = this.latest(workspace.split('/workspaces/')[0] ?? '');
    this.contents.set(workspace, content);
    for (const [key, entity] of content) {
      const path = `${workspace}/${key}`;
      this.entities.set(path, { ...entity, path });
    }
  }

  /** What differs from what a workspace began with; undefined for what was deleted. */
  private changes(workspace: string): [string, Entity | undefined][] {
    const base: Content = this.contents.get(workspace) ?? new Map();
    const now = new Map(
      [...this.entities]
        .filter(([path]) => path.startsWith(`${workspace}/`))
        .map(([path, entity]) => [path.slice(workspace.length + 1), entity]),
    );
    const isChanged = (key: string) => now.get(key)?.fingerprint !== base.get(key)?.fingerprint;
    return [...new Set([...base.keys(), ...now.keys()])].filter(isChanged).map((key) => [key, now.get(key)]);
  }

  private siblings(folder: string): Entity[] {
    return [...this.entities.values()].filter(({ path }) => split(path)[0] === folder);
  }

  private fingerprint(): string {
    return String(this.nextFingerprint++);
  }

  private publish(version: string): Reply {
    const entity = this.entities.get(version);
    if (entity === undefined) return refuse(404, 'notFound');
    this.live.set(version.split('/versions/')[0] ?? '', version);
    return { status: 200, body: { containerVersion: entity } };
  }

  private delete(path: string): Reply {
    for (const each of this.entities.keys())
      if (each === path || each.startsWith(`${path}/`)) this.entities.delete(each);
    return { status: 200 };
  }
}

/** `accounts/1/containers/2` is one of `containers`. */
function kindOf(path: string): string {
  return path.split('/').at(-2) ?? '';
}

/** `accounts/1/containers` is `accounts/1` and `containers`. */
function split(path: string): [string, string] {
  const end = path.lastIndexOf('/');
  return [path.slice(0, Math.max(0, end)), path.slice(end + 1)];
}

function refuse(status: number, reason: string): Reply {
  const message = `Tag Manager says ${reason}`;
  return { status, body: { error: { code: status, message, errors: [{ reason, message }] } } };
}
