import { Logger } from '@nestjs/common';

/** SIGTERM must end the process within 10 s, whatever hangs. */
const LIMIT_MS = 9_000;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Lets an application end in order when the process is told to stop, and ends the process where that takes too long. */
export function shutDownOnSignals(app: {
  enableShutdownHooks(signals: string[], options: { useProcessExit: boolean }): unknown;
}): void {
  for (const signal of SIGNALS)
    process.once(signal, () => setTimeout(() => process.exit(1), LIMIT_MS).unref());
  // Node alone prints such an error with all its members, and drivers put what users have written there.
  process.once('uncaughtException', (error) => {
    new Logger('Process').fatal({ err: error }, 'uncaught error');
    process.exit(1);
  });
  app.enableShutdownHooks([...SIGNALS], { useProcessExit: true });
}

/** Ends a start that failed: by one line of the log with the reason and the setting, and exit code 1. */
export function failStart(error: unknown, config: object): never {
  const fault = innermost(error);
  const setting = settingOf(fault, config);
  const reason = `${fault.message || fault.code || 'unknown'}`;
  new Logger('Process').fatal(
    { reason, ...(setting !== '' && { setting }), type: fault.name },
    'the service could not start',
  );
  process.exit(1);
}

interface Fault {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly hostname?: string;
  readonly port?: number;
}

/** The error that others wrap, or stand for. */
function innermost(error: unknown): Fault {
  const { cause, driverError, errors } = (error ?? {}) as {
    cause?: unknown;
    driverError?: unknown;
    errors?: unknown[];
  };
  const inner = driverError ?? errors?.[0] ?? cause;
  return inner === undefined ? ((error ?? {}) as Fault) : innermost(inner);
}

/** The names of the settings that the error is about, as far as it says so. */
function settingOf({ syscall, code, message, hostname, port }: Fault, config: object): string {
  if (syscall === 'listen') return 'HOST, PORT';
  // SQLSTATEs, and pg's own words for a connection that takes too long.
  if (/^[0-9A-Z]{5}$/.test(code ?? '') || /connection timeout|trying to connect/.test(message ?? ''))
    return 'DATABASE_URL';
  if (hostname === undefined && port === undefined) return '';
  return Object.entries(config)
    .filter(([, value]) => typeof value === 'string' && URL.canParse(value))
    .filter(([, value]) => {
      const url = new URL(value);
      return hostname === undefined ? url.port === `${port}` : url.hostname === hostname;
    })
    .map(([name]) => name)
    .join(', ');
}
