/** One process of load: takes what autocannon is to do as JSON, and prints what came back as JSON. */
import autocannon from 'autocannon';

const { errors, timeouts, non2xx, latency, duration, ...result } = await autocannon(
  JSON.parse(process.argv[2] ?? '{}'),
);
process.stdout.write(
  JSON.stringify({
    answers: result['2xx'],
    failures: non2xx + errors + timeouts,
    seconds: duration,
    p50: latency.p50,
    p99: latency.p99,
  }),
);
