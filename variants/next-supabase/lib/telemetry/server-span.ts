import { AsyncLocalStorage } from 'node:async_hooks';
import type { Span } from '@opentelemetry/api';
import { processWide } from '../process-wide.ts';

/** The span of the request as it arrived, where it is traced: within it Next.js makes some of its own. */
export const serverSpan = () => processWide('server-span', () => new AsyncLocalStorage<Span>());
