import { Injectable } from '@nestjs/common';
import { TagManagerService } from '../../google/tag-manager/tag-manager.service.js';
import type { Found, SyncSource } from './sync-source.js';

/** The containers of Tag Manager, account by account. */
@Injectable()
export class ContainersSource implements SyncSource {
  readonly kind = 'TAG_MANAGER_CONTAINER';

  constructor(private readonly tagManager: TagManagerService) {}

  async parents(connectionId: string): Promise<string[]> {
    return (await this.tagManager.listAccounts(connectionId)).map(({ path }) => path);
  }

  async read(connectionId: string, parent: string): Promise<Found[]> {
    return this.tagManager.listContainers(connectionId, parent.replace('accounts/', ''));
  }
}
