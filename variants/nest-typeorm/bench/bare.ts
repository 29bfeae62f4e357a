/**
 * What `GET /events/:id` is measured against: Node's own HTTP server and pg, the same query, the same bytes. It is given
 * the header fields that the service sends, and checks nothing.
 */
import { createServer } from 'node:http';
import pg from 'pg';

const { DATABASE_URL, DATABASE_POOL_MAX, HEADERS } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(DATABASE_POOL_MAX) });
const headers = JSON.parse(HEADERS ?? '{}') as Record<string, string>;

const QUERY = `
  SELECT id, name, description, venue, starts_at AS "startsAt", capacity, sold, price, currency, version,
         created_at AS "createdAt", updated_at AS "updatedAt"
    FROM events WHERE id = $1`;

const server = createServer(async (request, response) => {
  const { rows } = await pool.query(QUERY, [request.url?.slice('/events/'.length)]);
  const { id, name, description, venue, startsAt, capacity, sold, ...rest } = rows[0];
  const { price, currency, version, createdAt, updatedAt } = rest;
  const event = { id, name, description, venue, startsAt, capacity, sold, available: capacity - sold };
  const body = JSON.stringify({ ...event, price, currency, version, createdAt, updatedAt });
  response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) {
    process.send?.({ url: `http://127.0.0.1:${address.port}` });
  }
});
process.once('disconnect', () => process.exit(1)); // whoever measures has gone
process.once('SIGTERM', () => process.exit(0));
