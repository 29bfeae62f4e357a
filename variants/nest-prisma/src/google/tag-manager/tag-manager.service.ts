import { isDeepStrictEqual } from 'node:util';
import { type MethodOptions, tagmanager, type tagmanager_v2 } from '@googleapis/tagmanager';
import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { CONFIG } from '../../common/config/config.module.js';
import type { Config } from '../../config/config.js';
import { ensure } from '../calls/ensure.js';
import { GoogleCalls, type Sending } from '../calls/google-calls.js';
import { hasMarker } from '../calls/marker.js';
import { GoogleRequestError, GoogleUnavailableError } from '../google.errors.js';
import { MAX_RESPONSE_BYTES } from '../response-limit.js';

const account = z.object({ accountId: z.string(), name: z.string(), path: z.string() });
const container = z.object({
  containerId: z.string(),
  publicId: z.string(),
  name: z.string(),
  path: z.string(),
});
const workspace = z.object({ path: z.string() });
const variable = z.object({ path: z.string(), variableId: z.string() });
const trigger = z.object({ path: z.string(), triggerId: z.string() });
const tag = z.object({ path: z.string(), tagId: z.string() });
const version = z.object({ path: z.string(), containerVersionId: z.string() });
/** A tag or a trigger as it is stored. */
const stored = z.looseObject({ path: z.string(), name: z.string(), fingerprint: z.string().optional() });

export type GtmAccount = z.output<typeof account>;
export type GtmContainer = z.output<typeof container>;

/** A variable, a trigger or a tag in a workspace. */
export interface GtmEntity {
  readonly path: string;
  readonly id: string;
}

/** Finds a trigger or a tag that people may have renamed: by its id, if known, else by the marker in its name. */
export interface Identity {
  readonly id?: string | undefined;
  readonly marker: string;
}

/** What they consist of, Google says: https://developers.google.com/tag-platform/tag-manager/api/reference/rest */
export type VariableSpec = tagmanager_v2.Schema$Variable & { readonly name: string };
export type TriggerSpec = tagmanager_v2.Schema$Trigger & { readonly name: string };
export type TagSpec = tagmanager_v2.Schema$Tag & { readonly name: string };

interface Page<Item> {
  readonly items?: readonly Item[];
  readonly next?: string | null;
}

type ListPage<Item> = (pageToken: string | undefined, options: MethodOptions) => Promise<Page<Item>>;

/** Something that has a name, and how it is listed and created. */
interface Kind<Item> {
  /** As Google calls it, e.g. `tags`. */
  readonly resource: string;
  readonly listPage: ListPage<Item>;
  readonly create: (options: MethodOptions) => Promise<{ readonly data: unknown }>;
}

/** What a workspace holds, and how it is changed and deleted. */
interface Editable<Item> extends Kind<Item> {
  readonly update: (
    entity: { readonly path: string; readonly fingerprint?: string | undefined; readonly requestBody: Item },
    options: MethodOptions,
  ) => Promise<{ readonly data: unknown }>;
  readonly remove: (path: string, options: MethodOptions) => Promise<unknown>;
}

const EXPLANATIONS = {
  compilerError: 'what the workspace holds does not compile',
  syncError: 'the changes conflict with those of a later version',
} as const;

/** What Google responds if the fingerprint of an update is not that of the entity (any more). */
const OUTDATED = [409, 412];

/** Reads and changes an entity so often at most while others change it. */
const MAX_EDITS = 3;

/**
 * Google Tag Manager, by Google's own client. What an `ensure` names is found by its name or else created, so that it may be
 * called again and again, by several at once, and after a failure half-way.
 *
 * Every method throws ConnectionNotFoundError, ReconnectRequiredError, GoogleQuotaError, GoogleUnavailableError and
 * GoogleRequestError.
 */
@Injectable()
export class TagManagerService {
  private readonly accounts: tagmanager_v2.Resource$Accounts;

  constructor(
    private readonly calls: GoogleCalls,
    @Inject(CONFIG) { GOOGLE_BASE_URL: rootUrl }: Config,
  ) {
    this.accounts = tagmanager({ version: 'v2', ...(rootUrl !== undefined && { rootUrl }) }).accounts;
  }

  async listAccounts(connectionId: string): Promise<GtmAccount[]> {
    const found = await this.list(connectionId, 'accounts', async (pageToken, options) => {
      const { data } = await this.accounts.list({ pageToken }, options);
      return { items: data.account, next: data.nextPageToken };
    });
    return z.array(account).parse(found);
  }

  async listContainers(connectionId: string, accountId: string): Promise<GtmContainer[]> {
    const found = await this.list(connectionId, 'containers', this.containersOf(accountId));
    return z.array(container).parse(found);
  }

  /** A container for a web site. */
  async ensureContainer(
    connectionId: string,
    accountId: string,
    { name }: { readonly name: string },
  ): Promise<GtmContainer> {
    const { containers } = this.accounts;
    const parent = `accounts/${accountId}`;
    const requestBody = { name, usageContext: ['web'] };
    const found = await this.ensureNamed(connectionId, name, {
      resource: 'containers',
      listPage: this.containersOf(accountId),
      create: (options) => containers.create({ parent, requestBody }, options),
    });
    return container.parse(found);
  }

  /** @param parent path of the container */
  async ensureWorkspace(
    connectionId: string,
    parent: string,
    { name }: { readonly name: string },
  ): Promise<{ path: string }> {
    const { workspaces } = this.accounts.containers;
    const found = await this.ensureNamed(connectionId, name, {
      resource: 'workspaces',
      listPage: this.workspacesOf(parent),
      create: (options) => workspaces.create({ parent, requestBody: { name } }, options),
    });
    return workspace.parse(found);
  }

  /** @param parent path of the workspace */
  async ensureVariable(connectionId: string, parent: string, spec: VariableSpec): Promise<GtmEntity> {
    const { variables } = this.accounts.containers.workspaces;
    const found = await this.ensureNamed(connectionId, spec.name, {
      resource: 'variables',
      listPage: async (pageToken, options) => {
        const { data } = await variables.list({ parent, pageToken }, options);
        return { items: data.variable, next: data.nextPageToken };
      },
      create: (options) => variables.create({ parent, requestBody: spec }, options),
    });
    const { path, variableId: id } = variable.parse(found);
    return { path, id };
  }

  /**
   * Creates a trigger, or changes the one that there is where it differs from `spec`.
   *
   * @param parent path of the workspace
   */
  async ensureTrigger(
    connectionId: string,
    parent: string,
    spec: TriggerSpec,
    identity?: Identity,
  ): Promise<GtmEntity> {
    const found = await this.ensureSpec(connectionId, spec, this.triggersOf(parent, spec), identity);
    const { path, triggerId: id } = trigger.parse(found);
    return { path, id };
  }

  /**
   * Creates a tag, or changes the one that there is where it differs from `spec`.
   *
   * @param parent path of the workspace
   */
  async ensureTag(
    connectionId: string,
    parent: string,
    spec: TagSpec,
    identity?: Identity,
  ): Promise<GtmEntity> {
    const found = await this.ensureSpec(connectionId, spec, this.tagsOf(parent, spec), identity);
    const { path, tagId: id } = tag.parse(found);
    return { path, id };
  }

  /** Deletes a trigger. Succeeds if there is none. @param parent path of the workspace */
  async removeTrigger(connectionId: string, parent: string, identity: Identity): Promise<void> {
    await this.removeEntity(connectionId, this.triggersOf(parent), identity);
  }

  /** Deletes a tag. Succeeds if there is none. @param parent path of the workspace */
  async removeTag(connectionId: string, parent: string, identity: Identity): Promise<void> {
    await this.removeEntity(connectionId, this.tagsOf(parent), identity);
  }

  /**
   * Makes a version of what a workspace holds. Google deletes the workspace with that. A version of the same name is taken for
   * the one that is asked for, so give each a name of its own.
   *
   * @returns undefined if the workspace holds no changes
   */
  async createVersion(
    connectionId: string,
    workspacePath: string,
    { name, notes }: { readonly name: string; readonly notes?: string },
  ): Promise<{ path: string; versionId: string } | undefined> {
    const { workspaces } = this.accounts.containers;
    const [parent = ''] = workspacePath.split('/workspaces/');
    try {
      const found = await this.ensureNamed(connectionId, name, {
        resource: 'versions',
        listPage: this.versionsOf(parent),
        create: async (options) => {
          const requestBody = { name, notes };
          const { data } = await workspaces.create_version({ path: workspacePath, requestBody }, options);
          if (data.compilerError === true || data.containerVersion === undefined) {
            const reason = data.compilerError === true ? 'compilerError' : 'syncError';
            throw new GoogleRequestError({ status: 200, reason, explanation: EXPLANATIONS[reason] });
          }
          return { data: data.containerVersion };
        },
      });
      const { path, containerVersionId: versionId } = version.parse(found);
      return { path, versionId };
    } catch (error) {
      // Asked only now: in nearly every case there are changes, and each request counts against the quota.
      if (error instanceof GoogleRequestError && !(await this.hasChanges(connectionId, workspacePath)))
        return undefined;
      throw error;
    }
  }

  /**
   * The version that the web site gets.
   *
   * @param containerPath path of the container
   * @returns undefined if none was published yet
   */
  async liveVersion(connectionId: string, containerPath: string): Promise<{ versionId: string } | undefined> {
    const { versions } = this.accounts.containers;
    const { data } = (await this.unlessGone(connectionId, 'versions.live', (options) =>
      versions.live({ parent: containerPath }, options),
    )) ?? { data: undefined };
    return data === undefined ? undefined : { versionId: version.parse(data).containerVersionId };
  }

  /**
   * The latest of the versions of a container whose names begin with `prefix`, if the web site gets an earlier one or none.
   *
   * @param containerPath path of the container
   */
  async unpublishedVersion(
    connectionId: string,
    containerPath: string,
    prefix: string,
  ): Promise<{ path: string } | undefined> {
    const headers = await this.list(connectionId, 'versions', this.versionsOf(containerPath));
    const named = headers.filter(({ name }) => name?.startsWith(prefix) === true);
    const versions = z.array(version).parse(named);
    const latest = versions.toSorted((one, other) => numberOf(other) - numberOf(one))[0];
    if (latest === undefined) return undefined;
    const live = await this.liveVersion(connectionId, containerPath);
    return Number(live?.versionId ?? 0) < numberOf(latest) ? { path: latest.path } : undefined;
  }

  /**
   * Makes a version the one that the web site gets, unless it gets a later one: that holds the changes of this one as well, and
   * those of others.
   */
  async publish(connectionId: string, versionPath: string): Promise<void> {
    const [containerPath = '', versionId] = versionPath.split('/versions/');
    const live = await this.liveVersion(connectionId, containerPath);
    if (Number(live?.versionId ?? 0) >= Number(versionId)) return;
    const call = {
      api: 'tag-manager',
      method: 'versions.publish',
      connectionId,
      isRepeatable: true,
    } as const;
    await this.calls.run(call, (sending) =>
      this.accounts.containers.versions.publish({ path: versionPath }, toOptions(sending)),
    );
  }

  /** Deletes a workspace with the changes in it. Succeeds if there is none. @param parent path of the container */
  async deleteWorkspace(
    connectionId: string,
    parent: string,
    { name }: { readonly name: string },
  ): Promise<void> {
    const { workspaces } = this.accounts.containers;
    const found = await this.list(connectionId, 'workspaces', this.workspacesOf(parent));
    const { path } = found.find((each) => each.name === name) ?? {};
    if (path == null) return;
    await this.unlessGone(connectionId, 'workspaces.delete', (options) =>
      workspaces.delete({ path }, options),
    );
  }

  /** @returns true also for a workspace that is gone: what became of its changes is not known */
  private async hasChanges(connectionId: string, workspacePath: string): Promise<boolean> {
    const { workspaces } = this.accounts.containers;
    const status = await this.unlessGone(connectionId, 'workspaces.getStatus', (options) =>
      workspaces.getStatus({ path: workspacePath }, options),
    );
    return status === undefined || (status.data.workspaceChange ?? []).length > 0;
  }

  private workspacesOf(parent: string): ListPage<tagmanager_v2.Schema$Workspace> {
    return async (pageToken, options) => {
      const { data } = await this.accounts.containers.workspaces.list({ parent, pageToken }, options);
      return { items: data.workspace, next: data.nextPageToken };
    };
  }

  /** Without those that were deleted. */
  private versionsOf(parent: string): ListPage<tagmanager_v2.Schema$ContainerVersionHeader> {
    return async (pageToken, options) => {
      const { data } = await this.accounts.containers.version_headers.list({ parent, pageToken }, options);
      return { items: data.containerVersionHeader, next: data.nextPageToken };
    };
  }

  private triggersOf(parent: string, spec?: TriggerSpec): Editable<tagmanager_v2.Schema$Trigger> {
    const { triggers } = this.accounts.containers.workspaces;
    return {
      resource: 'triggers',
      listPage: async (pageToken, options) => {
        const { data } = await triggers.list({ parent, pageToken }, options);
        return { items: data.trigger, next: data.nextPageToken };
      },
      create: (options) => triggers.create({ parent, requestBody: spec }, options),
      update: (entity, options) => triggers.update(entity, options),
      remove: (path, options) => triggers.delete({ path }, options),
    };
  }

  private tagsOf(parent: string, spec?: TagSpec): Editable<tagmanager_v2.Schema$Tag> {
    const { tags } = this.accounts.containers.workspaces;
    return {
      resource: 'tags',
      listPage: async (pageToken, options) => {
        const { data } = await tags.list({ parent, pageToken }, options);
        return { items: data.tag, next: data.nextPageToken };
      },
      create: (options) => tags.create({ parent, requestBody: spec }, options),
      update: (entity, options) => tags.update(entity, options),
      remove: (path, options) => tags.delete({ path }, options),
    };
  }

  private containersOf(accountId: string): ListPage<tagmanager_v2.Schema$Container> {
    return async (pageToken, options) => {
      const parent = `accounts/${accountId}`;
      const { data } = await this.accounts.containers.list({ parent, pageToken }, options);
      return { items: data.container, next: data.nextPageToken };
    };
  }

  /** Keeps what others have added to an entity, e.g. consent settings of a tag. @returns as Google has answered */
  private async ensureSpec<Item extends { name?: string | null }>(
    connectionId: string,
    spec: Item & { readonly name: string },
    kind: Editable<Item>,
    identity?: Identity,
  ): Promise<unknown> {
    const call = {
      api: 'tag-manager',
      method: `${kind.resource}.update`,
      connectionId,
      isRepeatable: true,
    } as const;
    for (let edit = 1; ; edit += 1) {
      const found = stored.parse(await this.ensureNamed(connectionId, spec.name, kind, identity));
      if (!differs(found, spec)) return found;
      const { path, fingerprint } = found;
      const requestBody = { ...found, ...spec };
      try {
        const { data } = await this.calls.run(call, (sending) =>
          kind.update({ path, fingerprint, requestBody }, toOptions(sending)),
        );
        return data;
      } catch (error) {
        const isOutdated = error instanceof GoogleRequestError && OUTDATED.includes(error.status);
        if (!isOutdated || edit === MAX_EDITS) throw error;
      }
    }
  }

  private async removeEntity<Item extends { name?: string | null; path?: string | null }>(
    connectionId: string,
    { resource, listPage, remove }: Editable<Item>,
    identity: Identity,
  ): Promise<void> {
    const found = pick(await this.list(connectionId, resource, listPage), '', identity);
    if (found === undefined) return;
    const { path } = stored.parse(found);
    await this.unlessGone(connectionId, `${resource}.delete`, (options) => remove(path, options));
  }

  /** @returns undefined if Google has no such thing */
  private async unlessGone<Result>(
    connectionId: string,
    method: string,
    send: (options: MethodOptions) => Promise<Result>,
  ): Promise<Result | undefined> {
    const call = { api: 'tag-manager', method, connectionId, isRepeatable: true } as const;
    try {
      return await this.calls.run(call, (sending) => send(toOptions(sending)));
    } catch (error) {
      if (!(error instanceof GoogleRequestError) || error.status !== 404) throw error;
      return undefined;
    }
  }

  /** @returns as Google has answered */
  private async ensureNamed<Item extends { name?: string | null }>(
    connectionId: string,
    name: string,
    { resource, listPage, create }: Kind<Item>,
    identity?: Identity,
  ): Promise<unknown> {
    const call = {
      api: 'tag-manager',
      method: `${resource}.create`,
      connectionId,
      isRepeatable: false,
    } as const;
    return ensure<unknown>(
      async () => pick(await this.list(connectionId, resource, listPage), name, identity),
      async () => (await this.calls.run(call, (sending) => create(toOptions(sending)))).data,
    );
  }

  private async list<Item>(
    connectionId: string,
    resource: string,
    listPage: ListPage<Item>,
  ): Promise<Item[]> {
    const call = {
      api: 'tag-manager',
      method: `${resource}.list`,
      connectionId,
      isRepeatable: true,
    } as const;
    const found: Item[] = [];
    let next: string | undefined;
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const pageToken = next;
      const page = await this.calls.run(call, (sending) => listPage(pageToken, toOptions(sending)));
      found.push(...(page.items ?? []));
      next = page.next ?? undefined;
      if (next === undefined) return found;
    }
    throw new GoogleUnavailableError({ context: { method: call.method, failure: 'TOO_MANY_PAGES' } });
  }
}

/** A list without an end is given up after so many pages. Tag Manager allows far fewer accounts, containers and tags. */
const MAX_PAGES = 100;

/**
 * Finds the entity of this name, or the identified one: by its id, which is unique in its container and the last part of its
 * path, and only then by the marker in its name.
 */
function pick<Item extends { name?: string | null; path?: string | null }>(
  items: readonly Item[],
  name: string,
  identity?: Identity,
): Item | undefined {
  if (identity === undefined) return items.find((item) => item.name === name);
  const { id, marker } = identity;
  const known = id === undefined ? undefined : items.find(({ path }) => path?.split('/').at(-1) === id);
  return known ?? items.find((item) => hasMarker(item.name, marker));
}

/** Google numbers the versions of a container in their order. */
function numberOf({ containerVersionId }: { readonly containerVersionId: string }): number {
  return Number(containerVersionId);
}

/** Whether an entity lacks something of what it has to be. Google leaves out what is false or empty. */
function differs(found: Readonly<Record<string, unknown>>, spec: object): boolean {
  const told = (value: unknown) =>
    value === false || (Array.isArray(value) && value.length === 0) ? undefined : value;
  return Object.entries(spec).some(([member, value]) => !isDeepStrictEqual(told(found[member]), told(value)));
}

/** The client is told not to repeat anything: {@link GoogleCalls} does. */
function toOptions({ headers, signal }: Sending): MethodOptions {
  return { headers, signal, retry: false, maxContentLength: MAX_RESPONSE_BYTES };
}
