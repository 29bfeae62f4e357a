-- What other services want to be told of, and what they are told.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE public.webhook_endpoints (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES public.projects (id) ON DELETE CASCADE,
  url text NOT NULL CHECK (char_length(url) <= 2000),
  description text CHECK (char_length(description) <= 500),
  event_types text[] NOT NULL CHECK (
    cardinality(event_types) > 0
    AND event_types <@ ARRAY['project.updated', 'member.added', 'member.changed', 'member.removed']
  ),
  -- Encrypted by the service, and only read by it.
  secret text NOT NULL,
  -- Attempts that have failed since the last that did not.
  failures integer NOT NULL DEFAULT 0,
  disabled_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX idx_webhook_endpoints_project ON public.webhook_endpoints (project_id, created_at DESC, id DESC);

CREATE TABLE public.webhook_deliveries (
  -- The id of the message, the same in each attempt: by it a receiver knows a repetition.
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  endpoint_id uuid NOT NULL REFERENCES public.webhook_endpoints (id) ON DELETE CASCADE,
  event_type text NOT NULL,
  payload jsonb NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  last_status integer,
  last_error text,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  completed_at timestamptz(3)
);
CREATE INDEX idx_webhook_deliveries_endpoint ON public.webhook_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX idx_webhook_deliveries_due ON public.webhook_deliveries (next_attempt_at) WHERE state = 'pending';
INSERT INTO private.retention (relation, keep) VALUES ('public.webhook_deliveries', '30 days');

-- --- webhook_endpoints: administrators of the project
ALTER TABLE public.webhook_endpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.webhook_endpoints FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.webhook_endpoints FROM anon, authenticated;
GRANT SELECT (id, project_id, url, description, event_types, failures, disabled_at, created_at)
  ON public.webhook_endpoints TO authenticated;
GRANT INSERT (id, project_id, url, description, event_types, secret) ON public.webhook_endpoints TO authenticated;
GRANT UPDATE (url, description, event_types, secret, failures, disabled_at)
  ON public.webhook_endpoints TO authenticated;
GRANT DELETE ON public.webhook_endpoints TO authenticated;
GRANT ALL ON public.webhook_endpoints TO service_role;
CREATE POLICY "Administrators see webhooks" ON public.webhook_endpoints
  FOR SELECT TO authenticated
  USING (project_id IN (SELECT private.project_ids('admin')));
CREATE POLICY "Administrators add webhooks" ON public.webhook_endpoints
  FOR INSERT TO authenticated
  WITH CHECK (project_id IN (SELECT private.project_ids('admin')));
CREATE POLICY "Administrators change webhooks" ON public.webhook_endpoints
  FOR UPDATE TO authenticated
  USING (project_id IN (SELECT private.project_ids('admin')))
  WITH CHECK (project_id IN (SELECT private.project_ids('admin')));
CREATE POLICY "Administrators remove webhooks" ON public.webhook_endpoints
  FOR DELETE TO authenticated
  USING (project_id IN (SELECT private.project_ids('admin')));

-- --- webhook_deliveries: administrators of the project see them, nobody writes them
ALTER TABLE public.webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.webhook_deliveries FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.webhook_deliveries FROM anon, authenticated;
GRANT SELECT ON public.webhook_deliveries TO authenticated;
GRANT ALL ON public.webhook_deliveries TO service_role;
CREATE POLICY "Administrators see deliveries" ON public.webhook_deliveries
  FOR SELECT TO authenticated
  USING (endpoint_id IN (SELECT e.id FROM public.webhook_endpoints AS e));

-- One delivery for each endpoint that wants to know, in the transaction of what has happened.
CREATE FUNCTION private.tell_webhooks(project uuid, event_type text, about jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  INSERT INTO public.webhook_deliveries (endpoint_id, event_type, payload)
  SELECT e.id, tell_webhooks.event_type,
    jsonb_build_object(
      'type', tell_webhooks.event_type,
      'timestamp', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'data', about
    )
  FROM public.webhook_endpoints AS e
  WHERE e.project_id = project AND e.disabled_at IS NULL AND tell_webhooks.event_type = ANY (e.event_types)
$$;
REVOKE EXECUTE ON FUNCTION private.tell_webhooks FROM PUBLIC;

CREATE FUNCTION private.tell_of_project() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  PERFORM private.tell_webhooks(
    NEW.id, 'project.updated', jsonb_build_object('projectId', NEW.id, 'version', NEW.version, 'name', NEW.name)
  );
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.tell_of_project FROM PUBLIC;
CREATE TRIGGER tell_of_project AFTER UPDATE ON public.projects FOR EACH ROW EXECUTE FUNCTION private.tell_of_project();

CREATE FUNCTION private.tell_of_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  member constant public.project_members := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  PERFORM private.tell_webhooks(
    member.project_id,
    CASE TG_OP WHEN 'INSERT' THEN 'member.added' WHEN 'UPDATE' THEN 'member.changed' ELSE 'member.removed' END,
    jsonb_build_object('projectId', member.project_id, 'userId', member.user_id, 'role', member.role)
  );
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.tell_of_member FROM PUBLIC;
CREATE TRIGGER tell_of_member AFTER INSERT OR UPDATE OR DELETE ON public.project_members
  FOR EACH ROW EXECUTE FUNCTION private.tell_of_member();

-- Takes deliveries that are due, each for one process alone, until the lease ends: what a process that has died had taken
-- is then taken again.
CREATE FUNCTION private.claim_webhooks(batch integer, lease interval)
RETURNS TABLE (id uuid, attempts integer, payload jsonb, endpoint_id uuid, project_id uuid, url text, secret text)
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  WITH due AS (
    SELECT d.id FROM public.webhook_deliveries AS d
    JOIN public.webhook_endpoints AS e ON e.id = d.endpoint_id
    WHERE d.state = 'pending' AND d.next_attempt_at <= now() AND e.disabled_at IS NULL
    ORDER BY d.next_attempt_at
    LIMIT batch
    FOR UPDATE OF d SKIP LOCKED
  )
  UPDATE public.webhook_deliveries AS d
  SET attempts = d.attempts + 1, next_attempt_at = now() + lease
  FROM due, public.webhook_endpoints AS e
  WHERE d.id = due.id AND e.id = d.endpoint_id
  RETURNING d.id, d.attempts, d.payload, e.id, e.project_id, e.url, e.secret
$$;
REVOKE EXECUTE ON FUNCTION private.claim_webhooks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.claim_webhooks TO api, service_role;

-- What has become of an attempt. Without `retry_in` a failure is the last one. An endpoint that has failed `limit_failures`
-- times in a row, or is gone for good, is disabled.
CREATE FUNCTION private.finish_webhook(
  delivery uuid, succeeded boolean, status integer, error text, retry_in interval, limit_failures integer, gone boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  disabled boolean;
BEGIN
  UPDATE public.webhook_deliveries AS d
  SET state = CASE WHEN succeeded THEN 'delivered' WHEN retry_in IS NULL THEN 'failed' ELSE 'pending' END,
    last_status = status, last_error = error, next_attempt_at = now() + coalesce(retry_in, interval '0'),
    completed_at = CASE WHEN succeeded OR retry_in IS NULL THEN now() END
  WHERE d.id = delivery AND d.state = 'pending';
  UPDATE public.webhook_endpoints AS e
  SET failures = CASE WHEN succeeded THEN 0 ELSE e.failures + 1 END,
    disabled_at = CASE
      WHEN NOT succeeded AND (gone OR e.failures + 1 >= limit_failures) THEN coalesce(e.disabled_at, now())
      ELSE e.disabled_at
    END
  FROM public.webhook_deliveries AS d
  WHERE d.id = delivery AND e.id = d.endpoint_id AND NOT (succeeded AND e.failures = 0)
  RETURNING e.disabled_at IS NOT NULL INTO disabled;
  RETURN coalesce(disabled, false);
END $$;
REVOKE EXECUTE ON FUNCTION private.finish_webhook FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.finish_webhook TO api, service_role;

-- For a rotation of the key that secrets are encrypted with: those that the current one did not encrypt.
CREATE FUNCTION private.webhook_secrets(current_prefix text, after uuid, batch integer)
RETURNS TABLE (id uuid, project_id uuid, secret text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT e.id, e.project_id, e.secret FROM public.webhook_endpoints AS e
  WHERE e.id > after AND NOT starts_with(e.secret, current_prefix)
  ORDER BY e.id LIMIT batch
$$;
REVOKE EXECUTE ON FUNCTION private.webhook_secrets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.webhook_secrets TO api;

CREATE FUNCTION private.replace_webhook_secret(endpoint uuid, old_secret text, new_secret text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  UPDATE public.webhook_endpoints AS e SET secret = new_secret WHERE e.id = endpoint AND e.secret = old_secret
$$;
REVOKE EXECUTE ON FUNCTION private.replace_webhook_secret FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.replace_webhook_secret TO api;
