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

-- Keys are good for a day; pg_cron or an edge function calls this.
CREATE FUNCTION private.expire_idempotency_keys() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  DELETE FROM private.idempotency_keys WHERE created_at < now() - interval '1 day'
$$;
REVOKE EXECUTE ON FUNCTION private.expire_idempotency_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.expire_idempotency_keys TO api, service_role;
