// Loaded by `node --import` before the service, since instrumentation must be in place before what it instruments.
import { startTracing } from '../lib/telemetry/tracing.ts';

if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT) await startTracing();
