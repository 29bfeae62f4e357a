import { z } from 'zod';
import { handler } from '@/lib/api/handler';
import { DomainError } from '@/lib/errors/domain-error';

/** What no other route is for: errors of this service are problem documents, not pages. */
const nothing = handler({ access: 'public', params: z.any(), query: z.any() }, async () => {
  throw new DomainError('There is nothing at this path.', 'NOT_FOUND');
});

export { nothing as DELETE, nothing as GET, nothing as PATCH, nothing as POST, nothing as PUT };
