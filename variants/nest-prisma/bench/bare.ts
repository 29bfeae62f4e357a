/**
 * Express and pg, with the statements (prepared, as the service's are), the header fields and the bytes of the service's reads.
 * It validates, logs, authenticates and limits nothing; the statements name the organization.
 */
import express from 'express';
import pg from 'pg';

const { DATABASE_URL, PORT, HEADERS, ORGANIZATION_ID } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
/** By path. */
const headers = JSON.parse(HEADERS ?? '{}') as Record<string, Record<string, string>>;

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
app.get('/health/ready', (_request, response) => response.json({}));
app.get('/api/v1/customers/:id', async (request, response) => {
  const values = [ORGANIZATION_ID, request.params.id];
  const { rows } = await pool.query<Row>({ name: 'one', text: ONE, values });
  response.set(headers[request.url]);
  response.json(present(rows[0] as Row));
});
app.get('/api/v1/customers', async (request, response) => {
  const values = [ORGANIZATION_ID, LIMIT + 1];
  const { rows } = await pool.query<Row>({ name: 'list', text: LIST, values });
  const last = rows.length > LIMIT ? rows[LIMIT - 1] : undefined;
  const position = last && JSON.stringify([SORT, last.created_at.toISOString(), last.id]);
  const nextCursor = position === undefined ? null : Buffer.from(position).toString('base64url');
  response.set(headers[request.url]).json({ data: rows.slice(0, LIMIT).map(present), page: { nextCursor } });
});

app.listen(Number(PORT), '127.0.0.1');
