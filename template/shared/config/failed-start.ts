/** Why a start failed, for one line of the log. */
export interface FailedStart {
  readonly reason: string;
  /** The names of the settings that the error is about, if it says so. */
  readonly setting?: string;
  readonly type?: string;
}

/** @param config the settings of the process, by their names */
export function describeFailedStart(error: unknown, config: object): FailedStart {
  const fault = innermost(error);
  const setting = settingOf(fault, config);
  return {
    reason: fault.message || fault.code || 'unknown',
    ...(setting !== '' && { setting }),
    ...(fault.name !== undefined && { type: fault.name }),
  };
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
