-- What the edge functions do in the database. Only the secret key of the project may call these.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE public.usage_monthly (
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  -- Its first day (UTC).
  month date NOT NULL,
  event_type varchar(50) NOT NULL,
  events bigint NOT NULL,
  PRIMARY KEY (user_id, month, event_type)
);
ALTER TABLE public.usage_monthly ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.usage_monthly FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.usage_monthly FROM anon, authenticated;
GRANT SELECT ON public.usage_monthly TO authenticated;
GRANT ALL ON public.usage_monthly TO service_role;
CREATE POLICY "Users see their monthly usage" ON public.usage_monthly
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

-- Adds up the months, which may be done again at any time.
CREATE FUNCTION public.roll_up_usage() RETURNS jsonb
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  months bigint;
BEGIN
  INSERT INTO public.usage_monthly AS m (user_id, month, event_type, events)
  SELECT d.user_id, date_trunc('month', d.day::timestamp)::date, d.event_type, sum(d.events)
  FROM public.usage_daily AS d
  GROUP BY 1, 2, 3
  ON CONFLICT (user_id, month, event_type) DO UPDATE SET events = excluded.events
  WHERE m.events <> excluded.events;
  GET DIAGNOSTICS months = ROW_COUNT;
  RETURN jsonb_build_object('months', months);
END $$;
REVOKE EXECUTE ON FUNCTION public.roll_up_usage FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.roll_up_usage TO service_role;

-- Messages of other services, each once.
CREATE TABLE private.relayed_messages (
  id varchar(255) PRIMARY KEY,
  received_at timestamptz(3) NOT NULL DEFAULT now()
);
ALTER TABLE private.relayed_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE private.relayed_messages FORCE ROW LEVEL SECURITY;
GRANT ALL ON private.relayed_messages TO service_role;
INSERT INTO private.retention (relation, age_column, keep) VALUES ('private.relayed_messages', 'received_at', '30 days');
CREATE POLICY "Nobody but the secret key sees what was relayed" ON private.relayed_messages
  FOR SELECT TO authenticated
  USING (false);

-- Records a message as usage of a project's owner, once: its id is stored in the same transaction.
CREATE FUNCTION public.relay_message(message_id text, project uuid, message_type text, payload jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  project_owner uuid;
BEGIN
  SELECT p.user_id INTO project_owner FROM public.projects AS p WHERE p.id = project;
  IF project_owner IS NULL THEN
    RETURN 'unknown_project';
  END IF;
  INSERT INTO private.relayed_messages (id) VALUES (message_id) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN 'duplicate';
  END IF;
  INSERT INTO public.usage_metrics (user_id, project_id, event_type, metadata)
  VALUES (project_owner, project, 'relay.' || left(message_type, 44), payload);
  RETURN 'recorded';
END $$;
REVOKE EXECUTE ON FUNCTION public.relay_message FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.relay_message TO service_role;
