/** HTTP load from this one process, so that the same number of responses is counted as the service has sent. */
import autocannon, { type Options, type Result } from 'autocannon';
import { type Figure, inTurns, QUICK, say } from './harness.ts';

export const CONNECTIONS = 64;
const SECONDS = QUICK ? 1 : 6;
/** The time of a request that has the service to itself takes fewer of them. */
const SECONDS_ALONE = QUICK ? 0.5 : 2;
/** Requests of each connection that tell how many fill the time of a round. */
const PROBE = 5;
const TIMEOUT_SECONDS = 60;

export interface Load {
  /** Responses, those of the probe included. */
  readonly responses: number;
  readonly perSecond: number;
}

/** What a measurement does with a number of connections for about so many seconds. */
export type Measure = (connections: number, seconds: number) => Promise<Load>;

/**
 * Sends a fixed number of requests and waits for all responses.
 *
 * @param status of every response
 * @throws Error a response has another status, or none came: the figures would be worthless
 */
export async function load(
  options: Omit<Options, 'amount' | 'duration'> & { readonly connections: number },
  seconds: number,
  status = 200,
): Promise<Load> {
  const probe = await send(options, options.connections * PROBE, status);
  const amount = Math.max(options.connections, Math.round(probe.perSecond * seconds));
  const { responses, perSecond } = await send(options, amount, status);
  return { responses: probe.responses + responses, perSecond };
}

function send(options: Omit<Options, 'amount'>, amount: number, status: number): Promise<Load> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let ended = began;
    const done = (error: Error | null, result: Result & { statusCodeStats?: object }) => {
      if (error) return reject(error);
      const { [status]: expected } = (result.statusCodeStats ?? {}) as Record<number, { count: number }>;
      const responses = expected?.count ?? 0;
      if (responses !== amount)
        return reject(
          new Error(
            `${responses} of ${amount} responses of ${options.url} had status ${status}: ${JSON.stringify(result.statusCodeStats)}, ${result.errors} errors`,
          ),
        );
      resolve({ responses, perSecond: (amount * 1_000) / (ended - began) });
    };
    autocannon({ ...options, amount, sampleInt: 100, timeout: TIMEOUT_SECONDS } as Options, done as never).on(
      'response',
      () => {
        ended = performance.now();
      },
    );
  });
}

/**
 * Measures in turns: how many requests a second with all connections, and how long one takes that is alone.
 *
 * @param details what else is known of each, by its name
 * @param source what sends the requests
 */
export async function compare(
  measures: Readonly<Record<string, Measure>>,
  details: Readonly<Record<string, Partial<Figure>>> = {},
  source = 'connection',
): Promise<Figure[]> {
  const names = Object.keys(measures);
  const alone = (name: string) => `${name}, one ${source}`;
  say('warming up ...');
  for (const measure of Object.values(measures)) await measure(CONNECTIONS, SECONDS);
  const rounds = await inTurns(
    Object.fromEntries(
      Object.entries(measures).flatMap(([name, measure]) => [
        [name, async () => (await measure(CONNECTIONS, SECONDS)).perSecond],
        [alone(name), async () => 1_000 / (await measure(1, SECONDS_ALONE)).perSecond],
      ]),
    ),
  );
  const rates = names.map(
    (name): Figure => ({
      name,
      unit: '/s',
      rounds: rounds[name] ?? [],
      how: `${CONNECTIONS} ${source}s, ${SECONDS} s a round`,
      ...details[name],
    }),
  );
  const times = names.map(
    (name): Figure => ({
      name: alone(name),
      unit: 'ms',
      rounds: rounds[alone(name)] ?? [],
      how: `mean of ${SECONDS_ALONE} s a round`,
    }),
  );
  return [...rates, ...times];
}
