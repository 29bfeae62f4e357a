-- Usage, and what it adds up to.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE public.usage_metrics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  project_id uuid REFERENCES public.projects (id) ON DELETE CASCADE,
  event_type varchar(50) NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_usage_metrics_user_date ON public.usage_metrics (user_id, created_at DESC);
CREATE INDEX idx_usage_metrics_project_date ON public.usage_metrics (project_id, created_at DESC);
-- For what is too old: a few pages are enough.
CREATE INDEX idx_usage_metrics_created ON public.usage_metrics USING brin (created_at);

ALTER TABLE public.usage_metrics ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.usage_metrics FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.usage_metrics FROM anon, authenticated;
GRANT SELECT ON public.usage_metrics TO authenticated;
GRANT INSERT (user_id, project_id, event_type, metadata) ON public.usage_metrics TO authenticated;
GRANT INSERT ON public.usage_metrics TO api;
GRANT ALL ON public.usage_metrics TO service_role;

CREATE POLICY "Users see their usage, administrators that of their projects" ON public.usage_metrics
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()) OR project_id IN (SELECT private.project_ids('admin')));
-- What a user is charged for is recorded by the service alone; whatever else happens in a project has names of its own.
CREATE POLICY "Editors record usage of their own kinds" ON public.usage_metrics
  FOR INSERT TO authenticated
  WITH CHECK (
    user_id = (SELECT auth.uid())
    AND event_type LIKE 'custom.%'
    AND project_id IN (SELECT private.project_ids('editor'))
  );
CREATE POLICY "The service records usage" ON public.usage_metrics
  FOR INSERT TO api
  WITH CHECK (true);

-- The same rows, added up by day when they are written: a report over months reads hundreds of rows, not a million.
CREATE TABLE public.usage_daily (
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  day date NOT NULL,
  event_type varchar(50) NOT NULL,
  events bigint NOT NULL,
  PRIMARY KEY (user_id, day, event_type)
);
ALTER TABLE public.usage_daily ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.usage_daily FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.usage_daily FROM anon, authenticated;
GRANT SELECT ON public.usage_daily TO authenticated;
GRANT ALL ON public.usage_daily TO service_role;
CREATE POLICY "Users see their daily usage" ON public.usage_daily
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

-- At the end of the transaction: all that a user does on a day adds to one row, whose lock nobody may hold while waiting for
-- something else. Days are UTC.
CREATE FUNCTION private.add_up_usage() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  INSERT INTO public.usage_daily AS d (user_id, day, event_type, events)
  VALUES (NEW.user_id, (NEW.created_at AT TIME ZONE 'UTC')::date, NEW.event_type, 1)
  ON CONFLICT (user_id, day, event_type) DO UPDATE SET events = d.events + excluded.events;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.add_up_usage FROM PUBLIC;
CREATE CONSTRAINT TRIGGER add_up_usage AFTER INSERT ON public.usage_metrics
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION private.add_up_usage();

-- Changes of projects are usage, in the transaction of the change, whoever makes it and however.
CREATE FUNCTION private.record_project_usage() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  who constant uuid := (SELECT auth.uid());
BEGIN
  IF who IS NOT NULL THEN
    INSERT INTO public.usage_metrics (user_id, project_id, event_type)
    VALUES (
      who,
      CASE WHEN TG_OP <> 'DELETE' THEN NEW.id END,
      CASE TG_OP WHEN 'INSERT' THEN 'project.created' WHEN 'UPDATE' THEN 'project.updated' ELSE 'project.deleted' END
    );
  END IF;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.record_project_usage FROM PUBLIC;
CREATE TRIGGER record_project_usage AFTER INSERT OR UPDATE OR DELETE ON public.projects
  FOR EACH ROW EXECUTE FUNCTION private.record_project_usage();

-- With the rights and policies of who asks. Counted apart: members times events would be counted by one join.
CREATE VIEW public.project_analytics WITH (security_invoker = true) AS
SELECT
  p.id,
  p.name,
  (SELECT count(*) FROM public.project_members AS pm WHERE pm.project_id = p.id) AS member_count,
  (SELECT count(*) FROM public.usage_metrics AS u WHERE u.project_id = p.id) AS event_count,
  greatest(
    p.updated_at,
    (SELECT max(u.created_at) FROM public.usage_metrics AS u WHERE u.project_id = p.id)
  ) AS last_activity
FROM public.projects AS p;
REVOKE ALL ON public.project_analytics FROM anon, authenticated;
GRANT SELECT ON public.project_analytics TO authenticated, service_role;
