/** SIGTERM must end the process within 10 s, whatever hangs. */
const LIMIT_MS = 9_000;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Lets an application end in order when the process is told to stop, and ends the process where that takes too long. */
export function shutDownOnSignals(app: {
  enableShutdownHooks(signals: string[], options: { useProcessExit: boolean }): unknown;
}): void {
  for (const signal of SIGNALS)
    process.once(signal, () => setTimeout(() => process.exit(1), LIMIT_MS).unref());
  app.enableShutdownHooks([...SIGNALS], { useProcessExit: true });
}
