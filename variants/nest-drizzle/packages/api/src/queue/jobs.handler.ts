import { type Envelope, EVENTS } from '@app/shared';
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import type { EventHandler } from '../events/event-handler.js';
import { TasksQueue } from './tasks.queue.js';

const CONTRACTS = [EVENTS.exportRequested, EVENTS.taskCreated, EVENTS.taskUpdated] as const;
type Contract = (typeof CONTRACTS)[number];

/** Turns events into jobs. Jobs have the ids of what they are about, so an event that comes twice adds one. */
@Injectable()
export class JobsHandler implements EventHandler<Contract> {
  readonly consumer = 'jobs';
  readonly contracts = CONTRACTS;
  readonly isRepeatable = true;

  constructor(private readonly queue: TasksQueue) {}

  async handle({
    tenantid: tenantId,
    data,
  }: Envelope & { readonly data: z.output<Contract['data']> }): Promise<void> {
    if (!('dueAt' in data)) {
      await this.queue.add('exportProject', { tenantId, exportId: data.id }, data.id);
    } else if (data.dueAt !== null && data.status !== 'done') {
      const { id: taskId, dueAt } = data;
      const delay = Math.max(0, new Date(dueAt).getTime() - Date.now());
      await this.queue.add(
        'remindOfTask',
        { tenantId, taskId, dueAt },
        `${taskId}-${new Date(dueAt).getTime()}`,
        { delay },
      );
    }
  }
}
