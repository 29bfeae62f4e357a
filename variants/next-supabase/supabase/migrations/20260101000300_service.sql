-- What the service keeps for itself: security events, and the answers to requests that may be repeated.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE public.security_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES auth.users (id) ON DELETE CASCADE,
  event_type varchar(50) NOT NULL,
  request_id varchar(128) NOT NULL,
  ip inet,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX idx_security_events_user_created ON public.security_events (user_id, created_at DESC);
-- For what is too old: a few pages are enough.
CREATE INDEX idx_security_events_created ON public.security_events USING brin (created_at);

ALTER TABLE public.security_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.security_events FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.security_events FROM anon, authenticated;
GRANT SELECT ON public.security_events TO authenticated;
GRANT INSERT ON public.security_events TO api;
GRANT ALL ON public.security_events TO service_role;
CREATE POLICY "Users see what concerns them" ON public.security_events
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
CREATE POLICY "The service records events" ON public.security_events
  FOR INSERT TO api
  WITH CHECK (true);

-- The first answer to a request with an Idempotency-Key, stored in the transaction of its effect.
CREATE TABLE private.idempotency_keys (
  user_id uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users (id) ON DELETE CASCADE,
  key varchar(255) NOT NULL,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  status smallint NOT NULL,
  headers jsonb NOT NULL,
  -- Not jsonb, which would put the members into another order: a repetition is answered to the byte.
  body json,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, key)
);
CREATE INDEX idx_idempotency_keys_created ON private.idempotency_keys (created_at);

ALTER TABLE private.idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE private.idempotency_keys FORCE ROW LEVEL SECURITY;
GRANT SELECT ON private.idempotency_keys TO authenticated;
GRANT INSERT (key, fingerprint, status, headers, body) ON private.idempotency_keys TO authenticated;
CREATE POLICY "Users see answers to themselves" ON private.idempotency_keys
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
CREATE POLICY "Users store answers to themselves" ON private.idempotency_keys
  FOR INSERT TO authenticated
  WITH CHECK (user_id = (SELECT auth.uid()));

-- For how long rows are kept that nobody asks for any more. To keep some for longer, a migration changes its line.
CREATE TABLE private.retention (
  relation regclass PRIMARY KEY,
  age_column name NOT NULL DEFAULT 'created_at',
  keep interval NOT NULL
);
ALTER TABLE private.retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE private.retention FORCE ROW LEVEL SECURITY;
CREATE POLICY "Only the function below reads how long rows are kept" ON private.retention
  FOR SELECT TO authenticated
  USING (false);
-- What usage adds up to (usage_daily) stays.
INSERT INTO private.retention (relation, keep) VALUES
  ('private.idempotency_keys', '1 day'),
  ('public.security_events', '90 days'),
  ('public.usage_metrics', '400 days');

-- Lets go of what is older, of each table at most `batch` rows, and returns how many it were. The service asks every hour,
-- again until there are none.
CREATE FUNCTION private.expire(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  kept private.retention;
  deleted bigint;
  total bigint := 0;
BEGIN
  FOR kept IN SELECT * FROM private.retention LOOP
    EXECUTE format(
      'DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %1$s WHERE %2$I < now() - $1 LIMIT $2))',
      kept.relation, kept.age_column
    ) USING kept.keep, batch;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    total := total + deleted;
  END LOOP;
  RETURN total;
END $$;
REVOKE EXECUTE ON FUNCTION private.expire FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.expire TO api;
