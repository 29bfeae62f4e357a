/**
 * Fastify on Bun and pg, with the query, the header fields and the bytes of `GET /chats`. It validates, logs, authenticates and
 * limits nothing.
 */
import Fastify from 'fastify';
import pg from 'pg';

const { DATABASE_URL, PORT, HEADERS, USER_ID } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
const headers = JSON.parse(HEADERS ?? '{}') as Record<string, string>;

const QUERY = `
  SELECT id, title, provider_key_id AS "providerKeyId", model, system_prompt AS "systemPrompt",
         history_tokens AS "historyTokens", use_tools AS "useTools", version, created_at AS "createdAt", updated_at AS "updatedAt"
    FROM chats WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 21`;

const app = Fastify();
app.get('/health/ready', async () => ({}));
app.get('/chats', async (_request, reply) => {
  const { rows } = await pool.query(QUERY, [USER_ID]);
  const { createdAt, id } = rows[19];
  const nextCursor = Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url');
  reply.headers(headers);
  return { data: rows.slice(0, 20), page: { nextCursor } };
});
await app.listen({ port: Number(PORT), host: '127.0.0.1' });
