import { CreateEventsAndTickets1795219200000 } from './1795219200000-CreateEventsAndTickets.js';

/** In the order in which they are applied. `npm run db:generate` adds to this list. */
export const migrations = [CreateEventsAndTickets1795219200000];
