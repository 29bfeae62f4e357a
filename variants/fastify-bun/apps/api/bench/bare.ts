/**
 * What `GET /chats` is measured against: Fastify on Bun and pg, the same query, the same bytes. It knows no user, and checks
 * nothing.
 */
import Fastify from 'fastify';
import pg from 'pg';

const { DATABASE_URL, DATABASE_POOL_MAX, USER_ID } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(DATABASE_POOL_MAX) });

const QUERY = `
  SELECT id, title, provider_key_id AS "providerKeyId", model, system_prompt AS "systemPrompt",
         history_tokens AS "historyTokens", use_tools AS "useTools", version, created_at AS "createdAt", updated_at AS "updatedAt"
    FROM chats WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 21`;

const app = Fastify();
app.get('/chats', async () => {
  const { rows } = await pool.query(QUERY, [USER_ID]);
  const { createdAt, id } = rows[19];
  const nextCursor = Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url');
  return { data: rows.slice(0, 20), page: { nextCursor } };
});
process.stdout.write(`${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);
