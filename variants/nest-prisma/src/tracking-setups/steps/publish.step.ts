import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { TagManagerService } from '../../google/tag-manager/tag-manager.service.js';
import { type Resources, type SetupStepHandler, type StepContext } from './setup-step.js';
import { TagStep } from './tag.step.js';

/** So many operations of one container end at the same moment at most. */
const AT_ONCE = 100;

/** Makes a version of the container out of the workspace, which Google deletes with that, and publishes it. */
@Injectable()
export class PublishStep implements SetupStepHandler {
  readonly step = 'PUBLISH';

  constructor(
    private readonly tagManager: TagManagerService,
    private readonly tag: TagStep,
    private readonly database: Database,
  ) {}

  async run(context: StepContext): Promise<Resources> {
    const { workspacePath } = context.made('CONTAINER');
    if (workspacePath === undefined) return {};
    const created = await this.createVersion(context, workspacePath, versionName(context));
    const version = created ?? (await this.unpublishedVersion(context));
    if (version === undefined) return context.made(this.step);
    const made = { versionPath: version.path, ...firstOf(context.made(this.step), version.path) };
    await context.note(made);
    await this.publish(context, version.path);
    return made;
  }

  /**
   * Google bases each workspace on the latest version, published or not. So a version that was made, or may have been made, is
   * followed by one that takes its changes back; that is published only if the web site got the first.
   */
  async undo(context: StepContext): Promise<void> {
    const { setup, name, made } = context;
    const { containerPath } = made('CONTAINER');
    if (containerPath === undefined) return;
    await this.tagManager.deleteWorkspace(setup.connectionId, containerPath, { name });
    const { path } = await this.tagManager.ensureWorkspace(setup.connectionId, containerPath, { name });
    await this.tag.bring(context, path, context.before);
    const created = await this.createVersion(context, path, `${versionName(context)}, undone`);
    const { versionPath, firstVersionPath = versionPath } = made(this.step);
    if (firstVersionPath === undefined) return;
    const live = await this.tagManager.liveVersion(setup.connectionId, containerPath);
    if (Number(live?.versionId ?? 0) < numberOf(firstVersionPath)) return;
    const version = created ?? (await this.unpublishedVersion(context));
    if (version !== undefined) await this.publish(context, version.path);
  }

  /**
   * Publishes a version; then the latest one of the container that another operation publishes, since that may have been
   * published before this one. Each version holds the changes of those before it.
   */
  private async publish({ setup: { connectionId } }: StepContext, versionPath: string): Promise<void> {
    await this.tagManager.publish(connectionId, versionPath);
    const [containerPath] = versionPath.split('/versions/');
    const steps = await this.database.client.trackingSetupStep.findMany({
      where: {
        step: this.step,
        // Noted before it is published.
        state: { in: ['RUNNING', 'DONE'] },
        resources: { path: ['versionPath'], string_starts_with: `${containerPath}/versions/` },
        setup: { status: { in: ['RUNNING', 'SUCCEEDED'] } },
      },
      orderBy: { updatedAt: 'desc' },
      take: AT_ONCE,
    });
    const paths = steps.map(({ resources }) => (resources as Resources).versionPath ?? '');
    const latest = paths.reduce((one, other) => (numberOf(other) > numberOf(one) ? other : one), versionPath);
    if (latest !== versionPath) await this.tagManager.publish(connectionId, latest);
  }

  /**
   * Where a workspace holds no changes, an operation of the tracking that failed may have made them in a version that it did not
   * publish. Versions of others are not published: those may be drafts.
   */
  private async unpublishedVersion({ setup, name, made }: StepContext) {
    const { containerPath = '' } = made('CONTAINER');
    return this.tagManager.unpublishedVersion(setup.connectionId, containerPath, versionPrefix(name));
  }

  /** @returns undefined if the workspace holds no changes: then it is deleted, and nothing is left to publish */
  private async createVersion(context: StepContext, workspacePath: string, name: string) {
    const { setup, before, after, made } = context;
    const notes = (after ?? before)?.name;
    const version = await this.tagManager.createVersion(setup.connectionId, workspacePath, { name, notes });
    if (version !== undefined) return version;
    const { containerPath = '' } = made('CONTAINER');
    await this.tagManager.deleteWorkspace(setup.connectionId, containerPath, context);
    return undefined;
  }
}

/** Of an attempt: what an earlier one has made may hold a conversion action that is removed by now. */
function versionName({ setup, name }: StepContext): string {
  return `${versionPrefix(name)}${setup.id} attempt ${setup.attempt}`;
}

/** What the names of all versions of a tracking begin with. */
function versionPrefix(name: string): string {
  return `${name}, `;
}

/** The first version that the operation has made, if an earlier attempt has made one that could not be taken back. */
function firstOf(earlier: Resources, versionPath: string): Resources {
  const { versionPath: before, firstVersionPath = before } = earlier;
  return firstVersionPath === undefined || firstVersionPath === versionPath ? {} : { firstVersionPath };
}

/** Google numbers the versions of a container in their order. */
function numberOf(versionPath: string): number {
  return Number(versionPath.split('/').at(-1));
}
