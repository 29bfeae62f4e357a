import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { GoogleRequestError } from '../../google/google.errors.js';
import { TagManagerService } from '../../google/tag-manager/tag-manager.service.js';
import { type Resources, type SetupStepHandler, type StepContext } from './setup-step.js';

/** The customer's container in Tag Manager, and in it a workspace for this operation. */
@Injectable()
export class ContainerStep implements SetupStepHandler {
  readonly step = 'CONTAINER';

  constructor(
    private readonly tagManager: TagManagerService,
    private readonly database: Database,
  ) {}

  async run(context: StepContext): Promise<Resources> {
    const { setup, customer, name } = context;
    if (setup.tagManagerAccountId === null) return {}; // set up before the service had Tag Manager
    const container =
      (await this.containerOf(context)) ??
      (await this.tagManager.ensureContainer(setup.connectionId, setup.tagManagerAccountId, {
        name: `${customer.name} (${customer.id})`,
      }));
    const found = { containerPath: container.path, containerPublicId: container.publicId };
    await context.note(found);
    try {
      const workspace = await this.tagManager.ensureWorkspace(setup.connectionId, container.path, { name });
      return { ...found, workspacePath: workspace.path };
    } catch (error) {
      const isGone = error instanceof GoogleRequestError && error.status === 404;
      if (isGone && context.after === undefined) return found; // somebody has deleted the container at Google
      throw error;
    }
  }

  /** The container stays: it may hold what other people have put there. */
  async undo({ setup, name, made }: StepContext): Promise<void> {
    const { containerPath } = made(this.step);
    if (containerPath !== undefined)
      await this.tagManager.deleteWorkspace(setup.connectionId, containerPath, { name });
  }

  /**
   * The one that the operation before this one has used, or the one that a setup has found or made for the customer, whatever the
   * customer was called then.
   */
  private async containerOf({ setup, customer, made }: StepContext) {
    const { containerPath, containerPublicId } = made(this.step);
    if (containerPath !== undefined && containerPublicId !== undefined)
      return { path: containerPath, publicId: containerPublicId };
    const steps = await this.database.client.trackingSetupStep.findMany({
      where: {
        step: this.step,
        state: 'DONE',
        setup: {
          tagManagerAccountId: setup.tagManagerAccountId,
          operation: 'SETUP',
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
