import type { ApiRequest, Reply } from './fake-google.js';

type Entity = Record<string, unknown> & { readonly path: string; readonly name: string };

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

/** Tag Manager's API: entities by their paths, in lists of few, with names that are unique where they are. */
export class FakeTagManager {
  /** How many a page of a list has. */
  pageSize = 50;
  /** The version that the web site gets, by the path of the container. */
  readonly live = new Map<string, string>();
  private readonly entities = new Map<string, Entity>();
  private nextId = 1;

  /** @param parent such as `accounts/1`; nothing for an account. @returns the path */
  add(parent: string, kind: string, members: Record<string, unknown>): string {
    const id = String(this.nextId++);
    const path = parent === '' ? `${kind}/${id}` : `${parent}/${kind}/${id}`;
    const own = kind === 'containers' ? { publicId: `GTM-${id.padStart(6, '0')}` } : {};
    this.entities.set(path, { name: '', ...members, ...own, path, [KINDS[kind]?.id ?? 'id']: id });
    return path;
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

  private createVersion(workspace: string, body: { name: string }): Reply {
    if (!this.entities.has(workspace)) return refuse(404, 'notFound');
    const [container = ''] = workspace.split('/workspaces/');
    this.delete(workspace);
    const path = this.add(container, 'versions', body);
    return { status: 200, body: { containerVersion: this.entities.get(path) } };
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

/** `accounts/1/containers` is `accounts/1` and `containers`. */
function split(path: string): [string, string] {
  const end = path.lastIndexOf('/');
  return [path.slice(0, Math.max(0, end)), path.slice(end + 1)];
}

function refuse(status: number, reason: string): Reply {
  const message = `Tag Manager says ${reason}`;
  return { status, body: { error: { code: status, message, errors: [{ reason, message }] } } };
}
