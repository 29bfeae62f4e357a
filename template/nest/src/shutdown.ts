import { Logger } from '@nestjs/common';
import { describeFailedStart } from './config/failed-start.js';

/** After SHUTDOWN_DRAIN_MS, SIGTERM must end the process within this time, whatever hangs. */
const LIMIT_MS = 8_000;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Lets an application end in order when the process is told to stop, and ends the process where that takes too long. */
export function shutDownOnSignals(
  app: { enableShutdownHooks(signals: string[], options: { useProcessExit: boolean }): unknown },
  { SHUTDOWN_DRAIN_MS }: { readonly SHUTDOWN_DRAIN_MS: number },
): void {
  for (const signal of SIGNALS)
    process.once(signal, () => setTimeout(() => process.exit(1), SHUTDOWN_DRAIN_MS + LIMIT_MS).unref());
  // Node alone prints such an error with all its members, and drivers put what users have written there.
  process.once('uncaughtException', (error) => {
    new Logger('Process').fatal({ err: error }, 'uncaught error');
    process.exit(1);
  });
  app.enableShutdownHooks([...SIGNALS], { useProcessExit: true });
}

/** Ends a start that failed: by one line of the log with the reason and the setting, and exit code 1. */
export function failStart(error: unknown, config: object): never {
  new Logger('Process').fatal(describeFailedStart(error, config), 'the service could not start');
  process.exit(1);
}
