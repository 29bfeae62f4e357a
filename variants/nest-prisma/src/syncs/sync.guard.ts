import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { scopeOf } from '../auth/access.guard.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { Database } from '../database/database.js';
import { SyncsService } from './syncs.service.js';

/** Whether a sync is there, before a stream of its events begins: from then on there is no status to tell it by. */
@Injectable()
export class SyncGuard implements CanActivate {
  private readonly uuid = new UuidPipe();

  constructor(
    private readonly database: Database,
    private readonly syncs: SyncsService,
  ) {}

  /** @throws ValidationError, SyncNotFoundError */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { id = '' } = context.switchToHttp().getRequest<Request<{ id?: string }>>().params;
    const valid = this.uuid.transform(id, { data: 'id' });
    await this.database.run(scopeOf(context), () => this.syncs.get(valid));
    return true;
  }
}
