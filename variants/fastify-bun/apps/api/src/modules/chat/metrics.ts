import { meter } from '../../shared/lib/telemetry/metrics.js';

/** Seconds; a model takes its time before the first word. */
const FIRST_CHUNK_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30];

/** Clients that are reading an answer at this moment. */
export const openStreams = meter.createUpDownCounter('chat.streams.open', {
  description: 'Answers that are being streamed to a client',
});

/** What of answers has come from providers. */
export const chunks = meter.createCounter('chat.chunks', {
  description: 'Parts of answers that came from providers',
});

/** From the question to the first word of the answer, by provider. */
export const firstChunkDuration = meter.createHistogram('chat.first.chunk.duration.seconds', {
  unit: 's',
  description: 'Time until a provider began to answer',
  advice: { explicitBucketBoundaries: FIRST_CHUNK_BUCKETS },
});

/** Failures of providers, by provider and code; also those that another attempt made good. */
export const upstreamErrors = meter.createCounter('chat.upstream.errors', {
  description: 'Failures of providers',
});

/** Answers that are over, by their status. */
export const answers = meter.createCounter('chat.answers', { description: 'Answers that are over' });
