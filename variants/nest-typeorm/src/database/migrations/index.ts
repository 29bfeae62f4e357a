import { CreateEventsAndTickets1795219200000 } from './1795219200000-CreateEventsAndTickets.js';
import { TieTicketsToEvents1796083200000 } from './1796083200000-TieTicketsToEvents.js';

/** In the order in which they are applied. `npm run db:generate` writes this file. */
export const migrations = [CreateEventsAndTickets1795219200000, TieTicketsToEvents1796083200000];
