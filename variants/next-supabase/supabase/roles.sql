-- The role as whom the service connects. It owns nothing and passes no policy by: for a user it becomes `authenticated`
-- for one transaction, and of its own it may do what the migrations grant it. `supabase db push --include-roles` and
-- `supabase start` run this file. To let a deployment log in: ALTER ROLE api LOGIN PASSWORD '...';
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'api') THEN
    CREATE ROLE api NOLOGIN NOINHERIT;
  END IF;
END $$;
GRANT authenticated TO api WITH INHERIT FALSE, SET TRUE;

-- As whom the service works for a user: what PostgREST lets the user do, and the writes that only the service makes, after
-- its own checks. Policies for `authenticated` hold for it too, since it is a member.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'api_user') THEN
    CREATE ROLE api_user NOLOGIN NOINHERIT;
  END IF;
END $$;
GRANT authenticated TO api_user WITH INHERIT TRUE, SET FALSE;
GRANT api_user TO api WITH INHERIT FALSE, SET TRUE;
