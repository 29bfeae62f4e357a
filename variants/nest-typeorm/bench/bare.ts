/**
 * Node's own HTTP server and pg, with the query, the header fields and the bytes of `GET /events/:id`. It validates, logs and
 * limits nothing.
 */
import { createServer } from 'node:http';
import pg from 'pg';

const { DATABASE_URL, PORT, HEADERS } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
const headers = JSON.parse(HEADERS ?? '{}') as Record<string, string>;

const QUERY = `
  SELECT id, name, description, venue, starts_at AS "startsAt", capacity, sold, price, currency, version,
         created_at AS "createdAt", updated_at AS "updatedAt"
    FROM events WHERE id = $1`;

const server = createServer(async (request, response) => {
  if (request.url === '/health/ready') return response.end();
  const { rows } = await pool.query(QUERY, [request.url?.slice('/events/'.length)]);
  const { id, name, description, venue, startsAt, capacity, sold, ...rest } = rows[0];
  const { price, currency, version, createdAt, updatedAt } = rest;
  const event = { id, name, description, venue, startsAt, capacity, sold, available: capacity - sold };
  const body = JSON.stringify({ ...event, price, currency, version, createdAt, updatedAt });
  response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(body) });
  return response.end(body);
});
server.keepAliveTimeout = 72_000; // as the service has it: it is a header field
server.listen(Number(PORT), '127.0.0.1');
