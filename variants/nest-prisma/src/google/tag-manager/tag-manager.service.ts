import { type MethodOptions, tagmanager, type tagmanager_v2 } from '@googleapis/tagmanager';
import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { CONFIG } from '../../common/config/config.module.js';
import type { Config } from '../../config/config.js';
import { ensure } from '../calls/ensure.js';
import { GoogleCalls, type Sending } from '../calls/google-calls.js';
import { GoogleRequestError } from '../google.errors.js';

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

export type GtmAccount = z.output<typeof account>;
export type GtmContainer = z.output<typeof container>;

/** A variable, a trigger or a tag in a workspace. */
export interface GtmEntity {
  readonly path: string;
  readonly id: string;
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
      listPage: async (pageToken, options) => {
        const { data } = await workspaces.list({ parent, pageToken }, options);
        return { items: data.workspace, next: data.nextPageToken };
      },
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

  /** @param parent path of the workspace */
  async ensureTrigger(connectionId: string, parent: string, spec: TriggerSpec): Promise<GtmEntity> {
    const { triggers } = this.accounts.containers.workspaces;
    const found = await this.ensureNamed(connectionId, spec.name, {
      resource: 'triggers',
      listPage: async (pageToken, options) => {
        const { data } = await triggers.list({ parent, pageToken }, options);
        return { items: data.trigger, next: data.nextPageToken };
      },
      create: (options) => triggers.create({ parent, requestBody: spec }, options),
    });
    const { path, triggerId: id } = trigger.parse(found);
    return { path, id };
  }

  /** @param parent path of the workspace */
  async ensureTag(connectionId: string, parent: string, spec: TagSpec): Promise<GtmEntity> {
    const { tags } = this.accounts.containers.workspaces;
    const found = await this.ensureNamed(connectionId, spec.name, {
      resource: 'tags',
      listPage: async (pageToken, options) => {
        const { data } = await tags.list({ parent, pageToken }, options);
        return { items: data.tag, next: data.nextPageToken };
      },
      create: (options) => tags.create({ parent, requestBody: spec }, options),
    });
    const { path, tagId: id } = tag.parse(found);
    return { path, id };
  }

  /**
   * Makes a version of what a workspace holds. Google deletes the workspace with that. A version of the same name is taken for
   * the one that is asked for, so give each a name of its own.
   */
  async createVersion(
    connectionId: string,
    workspacePath: string,
    { name, notes }: { readonly name: string; readonly notes?: string },
  ): Promise<{ path: string; versionId: string }> {
    const { workspaces, version_headers: headers } = this.accounts.containers;
    const [parent] = workspacePath.split('/workspaces/');
    const found = await this.ensureNamed(connectionId, name, {
      resource: 'versions',
      listPage: async (pageToken, options) => {
        const { data } = await headers.list({ parent, pageToken }, options);
        return { items: data.containerVersionHeader, next: data.nextPageToken };
      },
      create: async (options) => {
        const requestBody = { name, notes };
        const { data } = await workspaces.create_version({ path: workspacePath, requestBody }, options);
        return { data: data.compilerError === true ? undefined : data.containerVersion };
      },
    });
    if (found === undefined) {
      throw new GoogleRequestError({
        status: 200,
        reason: 'compilerError',
        explanation: 'what the workspace holds does not compile, or is nothing new',
      });
    }
    const { path, containerVersionId: versionId } = version.parse(found);
    return { path, versionId };
  }

  /** Makes a version the one that the web site gets. */
  async publish(connectionId: string, versionPath: string): Promise<void> {
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

  /** Done as well where there is none. */
  async deleteWorkspace(connectionId: string, workspacePath: string): Promise<void> {
    const call = {
      api: 'tag-manager',
      method: 'workspaces.delete',
      connectionId,
      isRepeatable: true,
    } as const;
    try {
      await this.calls.run(call, (sending) =>
        this.accounts.containers.workspaces.delete({ path: workspacePath }, toOptions(sending)),
      );
    } catch (error) {
      if (!(error instanceof GoogleRequestError) || error.status !== 404) throw error;
    }
  }

  private containersOf(accountId: string): ListPage<tagmanager_v2.Schema$Container> {
    return async (pageToken, options) => {
      const parent = `accounts/${accountId}`;
      const { data } = await this.accounts.containers.list({ parent, pageToken }, options);
      return { items: data.container, next: data.nextPageToken };
    };
  }

  /** @returns as Google has answered */
  private async ensureNamed<Item extends { name?: string | null }>(
    connectionId: string,
    name: string,
    { resource, listPage, create }: Kind<Item>,
  ): Promise<unknown> {
    const call = {
      api: 'tag-manager',
      method: `${resource}.create`,
      connectionId,
      isRepeatable: false,
    } as const;
    return ensure<unknown>(
      async () => (await this.list(connectionId, resource, listPage)).find((item) => item.name === name),
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
    do {
      const pageToken = next;
      const page = await this.calls.run(call, (sending) => listPage(pageToken, toOptions(sending)));
      found.push(...(page.items ?? []));
      next = page.next ?? undefined;
    } while (next !== undefined);
    return found;
  }
}

/** The client is told not to repeat anything: {@link GoogleCalls} does. */
function toOptions({ headers, signal }: Sending): MethodOptions {
  return { headers, signal, retry: false };
}
