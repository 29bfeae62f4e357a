import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { TagManagerService } from '../../google/tag-manager/tag-manager.service.js';
import { type Resources, type SetupStepHandler, type StepContext } from './setup-step.js';

/** The customer's container in Tag Manager, and in it a workspace for this set-up. */
@Injectable()
export class ContainerStep implements SetupStepHandler {
  readonly step = 'CONTAINER';

  constructor(
    private readonly tagManager: TagManagerService,
    private readonly database: Database,
  ) {}

  async run(context: StepContext): Promise<Resources> {
    const { setup, customer, name } = context;
    const container =
      (await this.containerOf(context)) ??
      (await this.tagManager.ensureContainer(setup.connectionId, setup.tagManagerAccountId ?? '', {
        name: `${customer.name} (${customer.id})`,
      }));
    const found = { containerPath: container.path, containerPublicId: container.publicId };
    await context.note(found);
    const workspace = await this.tagManager.ensureWorkspace(setup.connectionId, container.path, { name });
    return { ...found, workspacePath: workspace.path };
  }

  /** The container stays: it may hold what other people have put there. */
  async undo({ setup, name, made }: StepContext): Promise<void> {
    const { containerPath, workspacePath } = made(this.step);
    if (containerPath === undefined) return;
    // Where the answer was lost there may be one all the same, by this name.
    const path =
      workspacePath ??
      (await this.tagManager.ensureWorkspace(setup.connectionId, containerPath, { name })).path;
    await this.tagManager.deleteWorkspace(setup.connectionId, path);
  }

  /** The one that an earlier set-up has found or made for the customer, whatever the customer was called then. */
  private async containerOf({ setup, customer }: StepContext) {
    const steps = await this.database.client.trackingSetupStep.findMany({
      where: {
        step: this.step,
        state: 'DONE',
        setup: {
          tagManagerAccountId: setup.tagManagerAccountId,
          status: 'SUCCEEDED',
          tracking: { customerId: customer.id },
        },
      },
      orderBy: { createdAt: 'desc' },
      take: 1,
    });
    const { containerPath: path, containerPublicId: publicId } = (steps[0]?.resources ?? {}) as Resources;
    return path === undefined || publicId === undefined ? undefined : { path, publicId };
  }
}
