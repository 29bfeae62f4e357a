import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/**
 * Knows that the process has been asked to stop. From then on every answer asks the client to close its connection, so
 * that none is cut while a request is on its way.
 */
@Injectable()
export class Drain implements OnModuleDestroy {
  draining = false;

  onModuleDestroy(): void {
    this.draining = true;
  }
}
