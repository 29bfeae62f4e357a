import pg from 'pg';

const required = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests by \`npm test\`.`);
  return value;
};

/** Connections of the role that migrates, which policies do not hold for. */
export const connectOwner = () =>
  new pg.Pool({ connectionString: required('MIGRATION_DATABASE_URL'), max: 4 });

/** Connections of the service's own role. */
export const connectService = () => new pg.Pool({ connectionString: required('DATABASE_URL'), max: 4 });

/** How SQL is run by somebody: `auth.uid()` is `userId`. The transaction is always rolled back. */
export async function as<T>(
  pool: pg.Pool,
  role: 'anon' | 'authenticated' | 'service_role' | 'api' | 'api_user',
  userId: string | undefined,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const claims = JSON.stringify({ sub: userId, role });
    await client.query(`SELECT set_config('request.jwt.claims', $1, true)`, [claims]);
    await client.query(`SET LOCAL ROLE ${role}`);
    return await work(client);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}
