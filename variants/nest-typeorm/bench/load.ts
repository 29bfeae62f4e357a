/** One process of load: prints what came back as JSON. */
import autocannon from 'autocannon';

const [url = '', method = 'GET', connections = '1', seconds = '1'] = process.argv.slice(2);
const { errors, timeouts, non2xx, latency, duration, ...result } = await autocannon({
  url,
  method: method as 'GET' | 'POST',
  connections: Number(connections),
  duration: Number(seconds),
  ...(method === 'POST' && {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ quantity: 1, buyer: { name: 'Ada Lovelace', email: 'ada@example.com' } }),
  }),
});
process.stdout.write(
  JSON.stringify({
    answers: result['2xx'],
    failures: non2xx + errors + timeouts,
    seconds: duration,
    p50: latency.p50,
    p99: latency.p99,
  }),
);
