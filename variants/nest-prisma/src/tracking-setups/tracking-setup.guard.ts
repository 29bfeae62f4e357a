import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { scopeOf } from '../auth/access.guard.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { Database } from '../database/database.js';
import { TrackingSetupsService } from './tracking-setups.service.js';

/** Whether a set-up is there, before a stream of its events begins: from then on there is no status to tell it by. */
@Injectable()
export class TrackingSetupGuard implements CanActivate {
  private readonly uuid = new UuidPipe();

  constructor(
    private readonly database: Database,
    private readonly setups: TrackingSetupsService,
  ) {}

  /** @throws ValidationError, TrackingSetupNotFoundError */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { id = '' } = context.switchToHttp().getRequest<Request<{ id?: string }>>().params;
    const valid = this.uuid.transform(id, { data: 'id' });
    await this.database.run(scopeOf(context), () => this.setups.get(valid));
    return true;
  }
}
