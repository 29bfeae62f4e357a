import type { z } from 'zod';

/** The environment does not fit the schema. The message names every offending variable. */
export class ConfigError extends Error {
  override name = 'ConfigError';

  constructor(readonly offenders: readonly string[]) {
    super(
      `The configuration is not usable:\n${offenders.map((offender) => `  - ${offender}`).join('\n')}\n` +
        'Set the variables in the environment or in .env; .env.example documents each of them.',
    );
  }
}

/**
 * Parses the environment once into a typed, frozen object.
 *
 * An empty string counts as unset, since compose files and CI systems pass `NAME=` for "not given".
 *
 * @param schema one entry per variable; its `description` (`.describe()`) is shown when the variable is missing
 * @param env the environment, `process.env` in the running service
 * @throws ConfigError that names every missing or malformed variable, and in production every secret that was
 *   made for development
 */
export function loadConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Readonly<z.output<z.ZodObject<Shape>>> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = schema.safeParse(given);
  if (!result.success) {
    throw new ConfigError(result.error.issues.map((issue) => describeIssue(issue, schema.shape, given)));
  }
  if (given.NODE_ENV === undefined || given.NODE_ENV === 'production') {
    const weak = Object.keys(schema.shape).filter((name) => isDevelopmentSecret(given[name]));
    if (weak.length > 0) {
      throw new ConfigError(
        weak.map((name) => `${name} holds a secret made for development; production needs one of its own`),
      );
    }
  }
  return Object.freeze(result.data);
}

/**
 * Reads the configuration, or stops the process with an error that names what is wrong: for people as text, in production
 * as a line of the log.
 */
export function configOrExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { NODE_ENV = 'production' } = process.env;
    const isRead = process.stderr.isTTY || NODE_ENV === 'development' || NODE_ENV === 'test';
    const line = { level: 60, time: Date.now(), reason: error.message, settings: error.offenders };
    process.stderr.write(
      `${isRead ? error.message : JSON.stringify({ ...line, msg: 'the service could not start' })}\n`,
    );
    process.exit(1);
  }
}

function describeIssue(
  issue: z.core.$ZodIssue,
  shape: z.ZodRawShape,
  given: Record<string, string | undefined>,
): string {
  const name = String(issue.path[0]);
  const description = (shape[name] as z.ZodType | undefined)?.description;
  const hint = description === undefined ? '' : ` (${description})`;
  // The value is not repeated: it may be a secret, and this text goes to the log.
  return given[name] === undefined ? `${name} is missing${hint}` : `${name}: ${issue.message}${hint}`;
}

/** `dev` writes secrets that start with `dev_`, of which a list may hold several; `<secret>` is the placeholder of .env.example. */
function isDevelopmentSecret(value: string | undefined): boolean {
  if (value === undefined) return false;
  if (value.split(',').some((part) => part.trim().startsWith('dev_')) || value.includes('<secret>'))
    return true;
  return URL.canParse(value) && new URL(value).password.startsWith('dev_');
}
