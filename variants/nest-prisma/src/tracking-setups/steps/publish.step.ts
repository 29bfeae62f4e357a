import { Injectable } from '@nestjs/common';
import { TagManagerService } from '../../google/tag-manager/tag-manager.service.js';
import { needed, type Resources, type SetupStepHandler, type StepContext } from './setup-step.js';

/** Makes a version of the container out of the workspace, which Google deletes with that, and publishes it. */
@Injectable()
export class PublishStep implements SetupStepHandler {
  readonly step = 'PUBLISH';

  constructor(private readonly tagManager: TagManagerService) {}

  async run(context: StepContext): Promise<Resources> {
    const { setup, tracking, name } = context;
    const workspace = needed(context, 'CONTAINER', 'workspacePath');
    const version = await this.tagManager.createVersion(setup.connectionId, workspace, {
      // Of an attempt: what an earlier one has made may hold a conversion action that is removed by now.
      name: `${name}, attempt ${setup.attempt}`,
      notes: tracking.name,
    });
    const made = { versionPath: version.path };
    await context.note(made);
    await this.tagManager.publish(setup.connectionId, version.path);
    return made;
  }

  /** Nobody sees a version that is not published, and one that is published is the end: nothing can fail any more. */
  async undo(): Promise<void> {}
}
