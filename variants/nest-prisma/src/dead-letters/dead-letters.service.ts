import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { Database } from '../database/database.js';
import type { DeadLetter } from '../generated/prisma/client.js';
import type { AnyJob } from '../jobs/job.contracts.js';
import { DeadLetterNotFoundError, DeadLetterRequeuedError } from './dead-letters.errors.js';
import { DeadLetterResponse, type ListDeadLettersQuery } from './dto/dead-letter.dto.js';

/** The jobs of the organization that have failed for good. */
@Injectable()
export class DeadLetters {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** Notes a job, once. @param failure a stable code */
  async record(queue: string, jobId: string, job: AnyJob, failure: string, attempts: number): Promise<void> {
    const { deadLetter } = this.database.client;
    if ((await deadLetter.count({ where: { queue, jobId } })) > 0) return;
    const subjectId = 'setupId' in job.data ? job.data.setupId : job.data.connectionId;
    const { id } = await deadLetter.create({
      data: { queue, job: job.name, jobId, subjectId, failure, attempts },
    });
    await this.audit.record('job.failed', id, { job: job.name, subjectId, failure });
  }

  /** Those that nobody has put back, the latest first. */
  async list({ limit, cursor }: ListDeadLettersQuery): Promise<Page<DeadLetterResponse>> {
    const keyset = new Keyset<'createdAt'>('-createdAt', limit);
    const letters = await this.database.client.deadLetter.findMany({
      where: { requeuedAt: null, AND: [keyset.after(cursor)] },
      ...keyset.arguments,
    });
    return keyset.page(letters, DeadLetterResponse.of);
  }

  /** Marks one as put back: of two who do so, one succeeds. @throws DeadLetterNotFoundError, DeadLetterRequeuedError */
  async take(id: string): Promise<DeadLetter> {
    const { deadLetter } = this.database.client;
    const [taken] = await deadLetter.updateManyAndReturn({
      where: { id, requeuedAt: null },
      data: { requeuedAt: new Date() },
    });
    if (taken === undefined) {
      const isThere = (await deadLetter.count({ where: { id } })) > 0;
      throw isThere ? new DeadLetterRequeuedError(id) : new DeadLetterNotFoundError(id);
    }
    await this.audit.record('job.requeued', id, { job: taken.job, subjectId: taken.subjectId });
    return taken;
  }
}
