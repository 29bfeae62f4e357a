/**
 * Fastify and pg, with the statements (prepared, as the service's are), the header fields and the bytes of the service's reads.
 * It validates, logs, authenticates and limits nothing; the statements name the tenant.
 */
import Fastify from 'fastify';
import pg from 'pg';

const { DATABASE_URL, PORT, HEADERS, TENANT_ID } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
/** By path. */
const headers = JSON.parse(HEADERS ?? '{}') as Record<string, Record<string, string>>;

const COLUMNS = 'tenant_id, id, name, description, version, deleted_at, created_at, updated_at';
const ONE = `SELECT ${COLUMNS} FROM projects WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL`;
const LIST = `SELECT ${COLUMNS} FROM projects WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY created_at, id LIMIT $2`;
const LIMIT = 20;

interface Row {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const present = ({ id, name, description, version, created_at, updated_at }: Row) => ({
  id,
  name,
  description,
  version,
  createdAt: created_at,
  updatedAt: updated_at,
});

const app = Fastify({ keepAliveTimeout: 72_000 }); // as the service has it: it is a header field
app.get('/health/ready', async () => ({}));
app.get<{ Params: { id: string } }>('/projects/:id', async (request, reply) => {
  const { rows } = await pool.query<Row>({ name: 'one', text: ONE, values: [TENANT_ID, request.params.id] });
  reply.headers(headers[request.url] ?? {});
  return present(rows[0] as Row);
});
app.get('/projects', async (request, reply) => {
  const { rows } = await pool.query<Row>({ name: 'list', text: LIST, values: [TENANT_ID, LIMIT + 1] });
  const last = rows.length > LIMIT ? rows[LIMIT - 1] : undefined;
  const nextCursor = last && Buffer.from(`${last.created_at.toISOString()} ${last.id}`).toString('base64url');
  reply.headers(headers[request.url] ?? {});
  return { data: rows.slice(0, LIMIT).map(present), page: { nextCursor: nextCursor ?? null } };
});

await app.listen({ port: Number(PORT), host: '127.0.0.1' });
