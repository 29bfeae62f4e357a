import { processWide } from '../process-wide.ts';

/** Seconds that rates look back. */
const WINDOW_S = 60;
/** How many durations are kept. */
const SAMPLES = 1_000;
const SLOW_QUERIES = 20;

/** A statement that took longer than DATABASE_SLOW_QUERY_MS. */
export interface QueryMetric {
  /** As it was sent, with $1 for what is not the service's own text. */
  readonly query: string;
  /** Milliseconds. */
  readonly duration: number;
  readonly at: string;
}

interface Second {
  readonly second: number;
  requests: number;
  clientErrors: number;
  serverErrors: number;
}

/** The last values of a series; older ones are overwritten. */
class Samples {
  private readonly values: number[] = [];
  private next = 0;

  add(value: number): void {
    this.values[this.next] = value;
    this.next = (this.next + 1) % SAMPLES;
  }

  /** Oldest first. */
  all(): number[] {
    return [...this.values.slice(this.next), ...this.values.slice(0, this.next)];
  }
}

const recent = () =>
  processWide('recent', () => ({
    requests: new Samples(),
    queries: new Samples(),
    slow: [] as QueryMetric[],
    seconds: [] as Second[],
    startedAt: now(),
  }));

const now = () => Math.floor(Date.now() / 1_000);

export function noteRequest(ms: number, status: number): void {
  const { requests, seconds } = recent();
  requests.add(ms);
  const second = now();
  let current = seconds.at(-1);
  if (current?.second !== second) {
    current = { second, requests: 0, clientErrors: 0, serverErrors: 0 };
    seconds.push(current);
    while ((seconds[0]?.second ?? second) <= second - WINDOW_S) seconds.shift();
  }
  current.requests++;
  if (status >= 500) current.serverErrors++;
  else if (status >= 400) current.clientErrors++;
}

export function noteQuery(ms: number): void {
  recent().queries.add(ms);
}

export function noteSlowQuery(query: QueryMetric): void {
  const { slow } = recent();
  slow.unshift(query);
  slow.length = Math.min(slow.length, SLOW_QUERIES);
}

/** Of this process: the last durations in milliseconds, oldest first, slow statements, and rates over the last minute. */
export function recentActivity() {
  const { requests, queries, slow, seconds, startedAt } = recent();
  const since = now() - WINDOW_S;
  const total = { requests: 0, clientErrors: 0, serverErrors: 0 };
  for (const one of seconds) {
    if (one.second <= since) continue;
    total.requests += one.requests;
    total.clientErrors += one.clientErrors;
    total.serverErrors += one.serverErrors;
  }
  const share = (count: number) => (total.requests === 0 ? 0 : count / total.requests);
  return {
    responseTime: requests.all(),
    queryTime: queries.all(),
    slowQueries: [...slow],
    errorRate: share(total.serverErrors),
    clientErrorRate: share(total.clientErrors),
    throughput: total.requests / Math.max(1, Math.min(WINDOW_S, now() - startedAt)),
  };
}
