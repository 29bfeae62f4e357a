/**
 * What reads are measured against: Express and pg, the same statements (prepared, as the service's are), the same bytes. It
 * knows no log-in and no row-level security (the statements name the organization themselves), checks nothing, and is given
 * the header fields that the service sends.
 */
import type { AddressInfo } from 'node:net';
import express from 'express';
import pg from 'pg';

const { DATABASE_URL, DATABASE_POOL_MAX, HEADERS, ORGANIZATION_ID } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(DATABASE_POOL_MAX) });
const headers = JSON.parse(HEADERS ?? '{}') as Record<string, string>;

const COLUMNS =
  'id, organization_id, name, email, website_url, status, version, created_at, updated_at, created_by, deleted_at';
const ONE = `SELECT ${COLUMNS} FROM customers WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL LIMIT 1`;
const LIST = `SELECT ${COLUMNS} FROM customers WHERE organization_id = $1 AND deleted_at IS NULL
               ORDER BY created_at DESC, id DESC LIMIT $2`;
const LIMIT = 20;
const SORT = '-createdAt';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly website_url: string | null;
  readonly status: string;
  readonly version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly created_by: string | null;
  readonly deleted_at: Date | null;
}

const present = ({ id, name, email, website_url, status, version, ...row }: Row) => ({
  id,
  name,
  email,
  websiteUrl: website_url,
  status,
  version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  createdBy: row.created_by,
  deletedAt: row.deleted_at,
});

const app = express();
app.set('etag', false);
app.disable('x-powered-by');
app.get('/api/v1/customers/:id', async (request, response) => {
  const values = [ORGANIZATION_ID, request.params.id];
  const { rows } = await pool.query<Row>({ name: 'one', text: ONE, values });
  response.set(headers).set('etag', `"${rows[0]?.version}"`);
  response.json(present(rows[0] as Row));
});
app.get('/api/v1/customers', async (_request, response) => {
  const values = [ORGANIZATION_ID, LIMIT + 1];
  const { rows } = await pool.query<Row>({ name: 'list', text: LIST, values });
  const last = rows.length > LIMIT ? rows[LIMIT - 1] : undefined;
  const position = last && JSON.stringify([SORT, last.created_at.toISOString(), last.id]);
  const nextCursor = position === undefined ? null : Buffer.from(position).toString('base64url');
  response.set(headers).json({ data: rows.slice(0, LIMIT).map(present), page: { nextCursor } });
});

const server = app.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
process.once('disconnect', () => process.exit(1)); // whoever measures has gone
process.once('SIGTERM', () => process.exit(0));
