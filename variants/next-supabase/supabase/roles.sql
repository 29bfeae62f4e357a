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
