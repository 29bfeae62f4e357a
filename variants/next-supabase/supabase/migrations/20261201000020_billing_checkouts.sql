-- The checkout pages of users: of two that are open, both could be paid on, and one that was paid on is a subscription of which
-- Stripe's event may be on its way.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE private.billing_checkouts (
  -- Stripe's id of the checkout session.
  session_id text PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  -- When its page could no longer be paid on, and the subscription that was paid for on it was known, if there is one.
  ended_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX idx_billing_checkouts_user ON private.billing_checkouts (user_id);
CREATE INDEX idx_billing_checkouts_created ON private.billing_checkouts (created_at);
ALTER TABLE private.billing_checkouts ENABLE ROW LEVEL SECURITY;
ALTER TABLE private.billing_checkouts FORCE ROW LEVEL SECURITY;
CREATE POLICY "Only the functions below touch checkouts" ON private.billing_checkouts
  FOR SELECT TO authenticated
  USING (false);
-- Stripe ends a page after a day, and repeats an event for three.
INSERT INTO private.retention (relation, keep) VALUES ('private.billing_checkouts', '5 days');

-- Stores a checkout session. `known`: it was stored before, by a request with the same Idempotency-Key; `ended`: its page has
-- ended since. `others` are the user's sessions that have to be ended.
CREATE FUNCTION private.add_checkout(who uuid, session text)
RETURNS TABLE (known boolean, ended boolean, others text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  -- Requests at the same time see each other's sessions.
  PERFORM pg_advisory_xact_lock(hashtextextended('checkout:' || who, 0));
  INSERT INTO private.billing_checkouts (user_id, session_id) VALUES (who, session) ON CONFLICT DO NOTHING;
  RETURN QUERY SELECT
    NOT FOUND,
    EXISTS (SELECT FROM private.billing_checkouts AS c WHERE c.session_id = session AND c.ended_at IS NOT NULL),
    ARRAY(
      SELECT c.session_id FROM private.billing_checkouts AS c
      WHERE c.user_id = who AND c.session_id <> session AND c.ended_at IS NULL
    );
END $$;
REVOKE EXECUTE ON FUNCTION private.add_checkout FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.add_checkout TO api;

CREATE FUNCTION private.end_checkout(session text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  UPDATE private.billing_checkouts AS c SET ended_at = now() WHERE c.session_id = session AND c.ended_at IS NULL
$$;
REVOKE EXECUTE ON FUNCTION private.end_checkout FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.end_checkout TO api;

-- Whether Stripe has told of a subscription.
CREATE FUNCTION private.knows_subscription(who uuid, subscription text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT EXISTS (SELECT FROM public.subscriptions AS s WHERE s.user_id = who AND s.id = subscription)
$$;
REVOKE EXECUTE ON FUNCTION private.knows_subscription FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.knows_subscription TO api;

-- Whether a user has a subscription that a second one would add to: one that is paid, on trial, paused or past due.
CREATE FUNCTION private.has_subscription(who uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT EXISTS (
    SELECT FROM public.subscriptions AS s
    WHERE s.user_id = who AND s.status NOT IN ('canceled', 'incomplete', 'incomplete_expired')
  )
$$;
REVOKE EXECUTE ON FUNCTION private.has_subscription FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.has_subscription TO api;
