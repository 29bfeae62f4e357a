import { z } from 'zod';
import { DomainError } from '@/lib/errors/domain-error';
import { handler } from './handler';

/** What no other route is for: errors of this service are problem documents, not pages. */
export const nothingHere = handler(
  { access: 'public', params: z.any(), query: z.any(), isRoute: false },
  async () => {
    throw new DomainError('There is nothing at this path.', 'NOT_FOUND');
  },
);
