/**
 * Measures the production process on this machine:
 *
 *     npm run bench [-- --quick]
 *
 * - start and memory, before any load
 * - purchases of one event, with and without group commit, against requests that validation refuses: the limit of the HTTP
 *   layer
 * - `GET /events/:id` against a bare Node server with the same query and the same bytes
 * - purchases of one event for a minute, while dead versions of its row pile up
 *
 * Load, service and PostgreSQL share the machine. Writes bench/results.json.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  type Figure,
  fieldsOf,
  QUICK,
  requireSameResponses,
  type Server,
  Service,
  say,
  startServer,
  writeResults,
} from './harness.ts';
import { CONNECTIONS, compare, type Load, load } from './load.ts';

const HOLD_SECONDS = QUICK ? 6 : 60;
const CAPACITY = 1_000_000;

const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
await promisify(execFile)(process.execPath, ['dist/database/cli.js', 'migrate']);

// One client sends all requests.
const service = new Service(['DATABASE_URL'], {}, { RATE_LIMIT_MAX: '1000000' });
const figures = await service.idleFigures();
const grouped = await service.start();
const plain = await service.start({ PURCHASE_GROUP_MAX: '1' });

const JSON_BODY = { 'content-type': 'application/json' };

async function createEvent(): Promise<string> {
  const response = await fetch(`${grouped.url}/events`, {
    method: 'POST',
    headers: JSON_BODY,
    body: JSON.stringify({
      name: 'Stadium night',
      venue: 'East stadium',
      startsAt: '2950-01-01T00:00:00Z',
      capacity: CAPACITY,
      price: 4_500,
      currency: 'EUR',
    }),
  });
  return ((await response.json()) as { id: string }).id;
}

const purchase = (server: Server, id: string, quantity: number) => ({
  url: `${server.url}/events/${id}/tickets/purchase`,
  method: 'POST' as const,
  headers: JSON_BODY,
  body: JSON.stringify({ quantity, buyer: { name: 'Ada Lovelace', email: 'ada@example.com' } }),
});

/** @throws Error the database has not as many tickets as there were responses */
async function sell(server: Server, connections: number, seconds: number, event?: string): Promise<Load> {
  const id = event ?? (await createEvent());
  const result = await load({ ...purchase(server, id, 1), connections }, seconds, 201);
  const { rows } = await owner.query(
    'SELECT sold, (SELECT count(*)::int FROM tickets WHERE event_id = $1) AS tickets FROM events WHERE id = $1',
    [id],
  );
  const { sold, tickets } = rows[0];
  if (sold !== result.responses || tickets !== result.responses)
    throw new Error(`${result.responses} purchases, but ${sold} counted and ${tickets} tickets stored`);
  return result;
}

const event = await createEvent();
const path = `/events/${event}`;
const bare = await startServer([process.execPath, 'bench/bare.ts'], {
  DATABASE_URL: process.env.DATABASE_URL ?? '',
  HEADERS: JSON.stringify(await fieldsOf(grouped.url + path, {})),
});
await requireSameResponses([grouped.url + path, bare.url + path], {});

const REFUSED = '`POST` refused by validation';
const PLAIN = 'purchases, one transaction each';
const BARE = 'bare Node `http` and pg: same query, same bytes';
figures.push(
  ...(await compare(
    {
      'purchases, group commit': (connections, seconds) => sell(grouped, connections, seconds),
      [PLAIN]: (connections, seconds) => sell(plain, connections, seconds),
      [REFUSED]: (connections, seconds) =>
        load({ ...purchase(grouped, event, 0), connections }, seconds, 400),
      '`GET /events/:id`': (connections, seconds) => load({ url: grouped.url + path, connections }, seconds),
      [BARE]: (connections, seconds) => load({ url: bare.url + path, connections }, seconds),
    },
    {
      'purchases, group commit': { versus: [PLAIN, REFUSED] },
      [PLAIN]: { note: '`PURCHASE_GROUP_MAX=1`' },
      [REFUSED]: { note: 'the limit of the HTTP layer: no database' },
      '`GET /events/:id`': { versus: [BARE] },
    },
  )),
);
await Promise.all([plain.stop(), bare.stop()]);
figures.push(await hold());
await grouped.stop();
await owner.end();
await writeResults(service, versions[0].server_version, figures);

/** Sells tickets of one event for a minute. The rates are those of its sixths, in the database. */
async function hold(): Promise<Figure> {
  say(`selling tickets of one event for ${HOLD_SECONDS} s ...`);
  const id = await createEvent();
  let selling = true;
  const samples: { at: number; sold: number }[] = [];
  const sampling = (async () => {
    while (selling) {
      const { rows } = await owner.query('SELECT sold FROM events WHERE id = $1', [id]);
      // The first sixth begins with the first purchase.
      if (rows[0].sold > 0) samples.push({ at: performance.now(), sold: rows[0].sold });
      await sleep(100);
    }
  })();
  await sell(grouped, CONNECTIONS, HOLD_SECONDS, id);
  selling = false;
  await sampling;
  const at = (sixth: number) => samples[Math.round(((samples.length - 1) * sixth) / 6)] ?? { at: 0, sold: 0 };
  const rounds = Array.from({ length: 6 }, (_, sixth) =>
    Math.round(((at(sixth + 1).sold - at(sixth).sold) * 1_000) / (at(sixth + 1).at - at(sixth).at)),
  );
  return {
    name: 'purchases, group commit, of one event for a minute',
    unit: '/s',
    rounds,
    how: `${CONNECTIONS} connections, one run of about ${HOLD_SECONDS} s, whose sixths are the rounds`,
    note: `sixths in order: ${rounds.map((rate) => rate.toLocaleString('en')).join(', ')}`,
  };
}
