import type pg from 'pg';

/** Fixed ids, so that a second run adds nothing and examples in documents stay true. */
const USER = '01990000-0000-7000-8000-0000000000aa';
const ACCOUNT = '01990000-0000-7000-8000-0000000000ab';

/** Argon2id of `correct horse battery`: for development, where everybody may know it. */
const PASSWORD_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$wg4X77RBAFISKDt5P1MQUw$Q4W+ko+XGAOg8t/nvw8wNeMbCkRy1ZScYafWv5TgeSM';

/**
 * Adds a user who can log in, where there is none.
 *
 * @returns how many were added
 */
export async function seed(owner: pg.ClientBase): Promise<number> {
  const { rowCount } = await owner.query(
    `WITH added AS (
       INSERT INTO users (id, name, email, email_verified) VALUES ($1, 'Ada Lovelace', 'ada@example.com', true)
       ON CONFLICT DO NOTHING RETURNING id)
     INSERT INTO accounts (id, user_id, account_id, provider_id, password)
     SELECT $2, id, id, 'credential', $3 FROM added`,
    [USER, ACCOUNT, PASSWORD_HASH],
  );
  return rowCount ?? 0;
}
