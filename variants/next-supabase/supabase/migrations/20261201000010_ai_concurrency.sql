-- Bounds the answers of models that a user gets at the same time: each holds a reservation while it is given.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- Sets tokens aside. No id is returned where a user has `concurrent` reservations (busy), or where the tokens would be more
-- than the month's budget. The row of the month is locked, so that requests at the same moment see each other's
-- reservations.
CREATE FUNCTION private.reserve_ai_tokens(who uuid, wanted bigint, budget bigint, concurrent integer)
RETURNS TABLE (id uuid, busy boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  this_month constant date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
BEGIN
  INSERT INTO public.ai_usage (user_id, month) VALUES (who, this_month) ON CONFLICT DO NOTHING;
  PERFORM FROM public.ai_usage AS u WHERE u.user_id = who AND u.month = this_month FOR UPDATE;
  DELETE FROM private.ai_reservations AS r WHERE r.user_id = who AND r.expires_at <= now();
  IF (SELECT count(*) FROM private.ai_reservations AS r WHERE r.user_id = who) >= concurrent THEN
    RETURN QUERY SELECT NULL::uuid, true;
    RETURN;
  END IF;
  RETURN QUERY SELECT private.reserve_ai_tokens(who, wanted, budget), false;
END $$;
REVOKE EXECUTE ON FUNCTION private.reserve_ai_tokens(uuid, bigint, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.reserve_ai_tokens(uuid, bigint, bigint, integer) TO api;
