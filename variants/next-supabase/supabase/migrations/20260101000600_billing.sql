-- Who is which customer at Stripe, what they have subscribed to, and which of Stripe's events have had their effect.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE public.billing_customers (
  user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
  customer_id text NOT NULL UNIQUE,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
ALTER TABLE public.billing_customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.billing_customers FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.billing_customers FROM anon, authenticated;
GRANT SELECT ON public.billing_customers TO authenticated;
GRANT INSERT ON public.billing_customers TO api;
GRANT ALL ON public.billing_customers TO service_role;
CREATE POLICY "Users see which customer they are" ON public.billing_customers
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
CREATE POLICY "The service records customers" ON public.billing_customers
  FOR INSERT TO api
  WITH CHECK (true);

CREATE TABLE public.subscriptions (
  -- Stripe's.
  id text PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  status text NOT NULL,
  price_id text NOT NULL,
  cancel_at_period_end boolean NOT NULL,
  current_period_end timestamptz(3) NOT NULL,
  created_at timestamptz(3) NOT NULL,
  -- When Stripe was asked for what stands here: an older answer that arrives later changes nothing.
  fetched_at timestamptz NOT NULL
);
CREATE INDEX idx_subscriptions_user_created ON public.subscriptions (user_id, created_at DESC);
ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.subscriptions FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.subscriptions FROM anon, authenticated;
GRANT SELECT ON public.subscriptions TO authenticated;
GRANT ALL ON public.subscriptions TO service_role;
CREATE POLICY "Users see their subscriptions" ON public.subscriptions
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
-- Whose customer this is at Stripe.
CREATE FUNCTION private.user_of_customer(customer text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT c.user_id FROM public.billing_customers AS c WHERE c.customer_id = customer
$$;
REVOKE EXECUTE ON FUNCTION private.user_of_customer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.user_of_customer TO api;

-- Brings a subscription up to date, unless Stripe was asked later for what stands there.
CREATE FUNCTION private.store_subscription(subscription public.subscriptions) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  INSERT INTO public.subscriptions AS s SELECT subscription.*
  ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, price_id = excluded.price_id, cancel_at_period_end = excluded.cancel_at_period_end,
    current_period_end = excluded.current_period_end, fetched_at = excluded.fetched_at
  WHERE s.fetched_at <= excluded.fetched_at
$$;
REVOKE EXECUTE ON FUNCTION private.store_subscription FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.store_subscription TO api;

-- An event is here if and only if it has had its effect: both are one transaction.
CREATE TABLE private.stripe_events (
  id text PRIMARY KEY,
  type text NOT NULL,
  received_at timestamptz(3) NOT NULL DEFAULT now()
);
ALTER TABLE private.stripe_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE private.stripe_events FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON private.stripe_events TO api;
CREATE POLICY "The service looks events up" ON private.stripe_events
  FOR SELECT TO api
  USING (true);
CREATE POLICY "The service records events" ON private.stripe_events
  FOR INSERT TO api
  WITH CHECK (true);
-- Stripe sends an event again for three days.
INSERT INTO private.retention (relation, age_column, keep) VALUES ('private.stripe_events', 'received_at', '30 days');
