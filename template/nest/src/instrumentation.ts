// Loaded by `node --import` before the service, since instrumentation must be in place before what it instruments.
import { observeRuntime } from './common/telemetry/metrics.js';
import { startTracing } from './common/telemetry/tracing.js';

observeRuntime();
if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT) await startTracing();
