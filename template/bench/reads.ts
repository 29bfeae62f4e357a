/** How fast servers answer the same reads: they take turns in each round, so that a slow minute hits all of them. */
import { type Load, load, median, rate, round, say } from './harness.ts';

export interface Comparison<Read extends string, Name extends string> {
  /** Reads per second: medians over the rounds. */
  readonly perSecond: Readonly<Record<Read, Readonly<Record<Name, number>>>>;
  /** The slowest hundredth of a server's answers: medians over the rounds. */
  p99Milliseconds(name: Name): Readonly<Record<Read, number>>;
  /** How many times as many reads one server answers as another: the median of the rounds' ratios. */
  ratio(read: Read, one: Name, other: Name): number;
}

/** @throws Error the servers do not answer with the same bytes: they would not be comparable */
export async function compareReads<Read extends string, Name extends string>(options: {
  /** The URL of each. */
  readonly servers: Readonly<Record<Name, string>>;
  /** The path of each. */
  readonly reads: Readonly<Record<Read, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly quick: boolean;
}): Promise<Comparison<Read, Name>> {
  const { servers, reads, headers, connections } = options;
  const [seconds, turns] = options.quick ? [2, 1] : [6, 5];
  const names = Object.keys(servers) as Name[];
  const kinds = Object.keys(reads) as Read[];
  const measure = (kind: Read, name: Name) =>
    load({ url: servers[name] + reads[kind], headers: { ...headers }, connections, duration: seconds });

  for (const kind of kinds) {
    const bodies = await Promise.all(
      names.map(async (name) => (await fetch(servers[name] + reads[kind], { headers })).text()),
    );
    if (new Set(bodies).size > 1)
      throw new Error(`the servers do not send the same bytes for ${reads[kind]}`);
  }

  say(`warming up for ${seconds} s each ...`);
  for (const kind of kinds) for (const name of names) await measure(kind, name);

  const rounds: Record<Read, Record<Name, Load>>[] = [];
  for (let turn = 1; turn <= turns; turn += 1) {
    const results = {} as Record<Read, Record<Name, Load>>;
    for (const kind of kinds) {
      results[kind] = {} as Record<Name, Load>;
      for (const name of names) results[kind][name] = await measure(kind, name);
      const line = names.map((name) => `${name} ${round(rate(results[kind][name]))}/s`);
      say(`round ${turn} of ${turns}, ${reads[kind]}: ${line.join(', ')}`);
    }
    rounds.push(results);
  }

  const over = (value: (results: Record<Read, Record<Name, Load>>) => number) => median(rounds.map(value));
  const ofReads = <Value>(value: (kind: Read) => Value) =>
    Object.fromEntries(kinds.map((kind) => [kind, value(kind)])) as Record<Read, Value>;
  const ofNames = <Value>(value: (name: Name) => Value) =>
    Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, Value>;
  return {
    perSecond: ofReads((kind) => ofNames((name) => round(over((results) => rate(results[kind][name]))))),
    p99Milliseconds: (name) => ofReads((kind) => over((results) => results[kind][name].p99)),
    ratio: (read, one, other) =>
      round(
        over((results) => rate(results[read][one]) / rate(results[read][other])),
        2,
      ),
  };
}
