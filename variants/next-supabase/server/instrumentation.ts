// Loaded by `node --import` before the service, since instrumentation must be in place before what it instruments.
// Next.js makes the spans of requests itself, as soon as somebody collects spans.
import { startTracing } from '../lib/telemetry/tracing.ts';

if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT) await startTracing();
