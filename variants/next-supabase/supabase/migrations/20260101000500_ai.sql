-- What users use of models, by month, and what is set aside for answers that are under way.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE public.ai_usage (
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  -- Its first day (UTC).
  month date NOT NULL,
  tokens bigint NOT NULL DEFAULT 0 CHECK (tokens >= 0),
  PRIMARY KEY (user_id, month)
);
ALTER TABLE public.ai_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ai_usage FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.ai_usage FROM anon, authenticated;
GRANT SELECT ON public.ai_usage TO authenticated;
GRANT ALL ON public.ai_usage TO service_role;
CREATE POLICY "Users see what they have used" ON public.ai_usage
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE TABLE private.ai_reservations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  tokens bigint NOT NULL CHECK (tokens > 0),
  expires_at timestamptz NOT NULL DEFAULT now() + interval '10 minutes'
);
CREATE INDEX idx_ai_reservations_user ON private.ai_reservations (user_id);
ALTER TABLE private.ai_reservations ENABLE ROW LEVEL SECURITY;
ALTER TABLE private.ai_reservations FORCE ROW LEVEL SECURITY;
CREATE POLICY "Only the functions below touch reservations" ON private.ai_reservations
  FOR SELECT TO authenticated
  USING (false);

-- Sets tokens aside, or returns NULL where they would be more than the month's budget. The row of the month is locked, so
-- that requests at the same moment see each other's reservations.
CREATE FUNCTION private.reserve_ai_tokens(who uuid, wanted bigint, budget bigint)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  this_month constant date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
  used bigint;
  reservation uuid;
BEGIN
  INSERT INTO public.ai_usage (user_id, month) VALUES (who, this_month) ON CONFLICT DO NOTHING;
  SELECT u.tokens INTO used FROM public.ai_usage AS u WHERE u.user_id = who AND u.month = this_month FOR UPDATE;
  DELETE FROM private.ai_reservations AS r WHERE r.user_id = who AND r.expires_at <= now();
  SELECT used + coalesce(sum(r.tokens), 0) INTO used FROM private.ai_reservations AS r WHERE r.user_id = who;
  IF used + wanted > budget THEN
    RETURN NULL;
  END IF;
  INSERT INTO private.ai_reservations (user_id, tokens) VALUES (who, wanted) RETURNING id INTO reservation;
  RETURN reservation;
END $$;
REVOKE EXECUTE ON FUNCTION private.reserve_ai_tokens FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.reserve_ai_tokens TO api;

-- Puts what was used in the place of what was set aside. Without `about` no model has answered: nothing was used.
CREATE FUNCTION private.settle_ai_tokens(who uuid, reservation uuid, used bigint, about jsonb)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  IF about IS NOT NULL THEN
    INSERT INTO public.ai_usage AS u (user_id, month, tokens)
    VALUES (who, date_trunc('month', now() AT TIME ZONE 'UTC')::date, used)
    ON CONFLICT (user_id, month) DO UPDATE SET tokens = u.tokens + excluded.tokens;
    INSERT INTO public.usage_metrics (user_id, event_type, metadata) VALUES (who, 'ai.completion', about);
  END IF;
  DELETE FROM private.ai_reservations AS r WHERE r.id = reservation AND r.user_id = who;
END $$;
REVOKE EXECUTE ON FUNCTION private.settle_ai_tokens FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.settle_ai_tokens TO api;
