-- Rights end when they are revoked: what a member set up ends with the membership, and an administrator's role is read
-- from the database. Changes of rights are recorded, also those made past the service.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- --- a write and the end of the right to it: one waits for the other
-- The caller's role in a project, which stays what it is until the transaction ends. A policy decides by the roles that were
-- committed when the statement began, so a write could be committed after the demotion of its author.
CREATE FUNCTION private.lock_role(project uuid) RETURNS public.project_role
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  SELECT m.role FROM public.project_members AS m
  WHERE m.project_id = project AND m.user_id = (SELECT auth.uid()) FOR SHARE
$$;
REVOKE EXECUTE ON FUNCTION private.lock_role FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.lock_role TO authenticated;

CREATE FUNCTION private.assert_role(actual public.project_role, minimum public.project_role) RETURNS void
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  IF coalesce(actual < minimum, true) THEN
    RAISE EXCEPTION 'Your role in this project does not allow that.' USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION private.assert_role FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.assert_role TO authenticated;

-- Refuses the write of a user whose role in the project is lower than the argument by now.
CREATE FUNCTION private.require_role() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  project uuid;
BEGIN
  IF TG_TABLE_NAME = 'projects' THEN
    project := OLD.id;
  ELSIF TG_OP = 'DELETE' THEN
    project := OLD.project_id;
  ELSE
    project := NEW.project_id;
  END IF;
  PERFORM private.assert_role(private.lock_role(project), TG_ARGV[0]::public.project_role);
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
REVOKE EXECUTE ON FUNCTION private.require_role FROM PUBLIC;

-- The same for statements with many rows, which PostgREST accepts. It runs after all rows are written and their foreign keys
-- are checked: a user whose right is to end cannot delay that by a long statement.
CREATE FUNCTION private.require_role_after() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  self constant uuid := (SELECT auth.uid());
  project uuid;
  actual public.project_role;
BEGIN
  IF TG_TABLE_NAME = 'projects' THEN
    FOR project IN SELECT c.id FROM changed AS c ORDER BY 1 LOOP
      PERFORM private.assert_role(private.lock_role(project), TG_ARGV[0]::public.project_role);
    END LOOP;
    RETURN NULL;
  END IF;
  FOR project IN
    -- Members may leave.
    SELECT DISTINCT c.project_id FROM changed AS c WHERE TG_OP <> 'DELETE' OR c.user_id IS DISTINCT FROM self ORDER BY 1
  LOOP
    -- The statement can be about the user's own membership, too: then the role before it counts.
    SELECT c.role INTO actual FROM changed AS c WHERE c.project_id = project AND c.user_id = self;
    IF NOT FOUND THEN
      actual := private.lock_role(project);
    ELSIF TG_OP = 'INSERT' THEN
      actual := NULL;
    END IF;
    PERFORM private.assert_role(actual, TG_ARGV[0]::public.project_role);
  END LOOP;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.require_role_after FROM PUBLIC;

-- For users only: cascades and functions with definer's rights run as the owner of the tables. By their names these run after
-- limit_inserts, limit_updates and limit_deletes.
CREATE TRIGGER require_role_to_change AFTER UPDATE ON public.projects REFERENCING OLD TABLE AS changed FOR EACH STATEMENT
  WHEN (current_user IN ('authenticated', 'api_user')) EXECUTE FUNCTION private.require_role_after('editor');
-- Before: a deleted project has no members. Nobody removes an owner.
CREATE TRIGGER require_role_to_delete BEFORE DELETE ON public.projects FOR EACH ROW
  WHEN (current_user IN ('authenticated', 'api_user')) EXECUTE FUNCTION private.require_role('owner');
CREATE TRIGGER require_role_to_add AFTER INSERT ON public.project_members REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
  WHEN (current_user IN ('authenticated', 'api_user')) EXECUTE FUNCTION private.require_role_after('admin');
CREATE TRIGGER require_role_to_change AFTER UPDATE ON public.project_members REFERENCING OLD TABLE AS changed FOR EACH STATEMENT
  WHEN (current_user IN ('authenticated', 'api_user')) EXECUTE FUNCTION private.require_role_after('admin');
CREATE TRIGGER require_role_to_remove AFTER DELETE ON public.project_members REFERENCING OLD TABLE AS changed FOR EACH STATEMENT
  WHEN (current_user IN ('authenticated', 'api_user')) EXECUTE FUNCTION private.require_role_after('admin');
CREATE TRIGGER require_role BEFORE INSERT OR UPDATE OR DELETE ON public.webhook_endpoints FOR EACH ROW
  WHEN (current_user IN ('authenticated', 'api_user')) EXECUTE FUNCTION private.require_role('admin');
CREATE TRIGGER require_role BEFORE INSERT ON public.usage_metrics FOR EACH ROW
  WHEN (current_user IN ('authenticated', 'api_user')) EXECUTE FUNCTION private.require_role('editor');

-- --- webhooks: who chose the address, and who knows the secret
ALTER TABLE public.webhook_endpoints ADD COLUMN url_set_by uuid, ADD COLUMN secret_set_by uuid;

-- Rows of earlier releases: the user whom the log of security events names, otherwise the project's owner.
UPDATE public.webhook_endpoints AS e
SET url_set_by = coalesce(known.creator, known.project_owner),
  secret_set_by = coalesce(known.replacer, known.creator, known.project_owner)
FROM (
  SELECT w.id, p.user_id AS project_owner,
    (
      SELECT s.user_id FROM public.security_events AS s
      WHERE s.event_type = 'webhook.created' AND s.metadata ->> 'webhookId' = w.id::text
      ORDER BY s.created_at DESC LIMIT 1
    ) AS creator,
    (
      SELECT s.user_id FROM public.security_events AS s
      WHERE s.event_type = 'webhook.secret_replaced' AND s.metadata ->> 'webhookId' = w.id::text
      ORDER BY s.created_at DESC LIMIT 1
    ) AS replacer
  FROM public.webhook_endpoints AS w JOIN public.projects AS p ON p.id = w.project_id
) AS known
WHERE known.id = e.id;

-- What the trigger below does, for those who lost the role before there was one.
UPDATE public.webhook_endpoints AS e SET disabled_at = now()
WHERE e.disabled_at IS NULL AND EXISTS (
  SELECT FROM unnest(ARRAY[e.url_set_by, e.secret_set_by]) AS author
  WHERE NOT EXISTS (
    SELECT FROM public.project_members AS m
    WHERE m.project_id = e.project_id AND m.user_id = author AND m.role >= 'admin'
  )
);

-- Clients have no grant on these columns. An administrator who enables a webhook vouches for it.
CREATE FUNCTION private.note_webhook_author() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  who constant uuid := (SELECT auth.uid());
BEGIN
  IF who IS NULL THEN
    RETURN NEW; -- the service itself, e.g. a rotation of the encryption key
  END IF;
  IF TG_OP = 'INSERT' OR (OLD.disabled_at IS NOT NULL AND NEW.disabled_at IS NULL) THEN
    NEW.url_set_by := who;
    NEW.secret_set_by := who;
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.url <> OLD.url THEN
    NEW.url_set_by := who;
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.secret <> OLD.secret THEN
    NEW.secret_set_by := who;
  END IF;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION private.note_webhook_author FROM PUBLIC;
CREATE TRIGGER note_webhook_author BEFORE INSERT OR UPDATE ON public.webhook_endpoints
  FOR EACH ROW EXECUTE FUNCTION private.note_webhook_author();

-- Disables the webhooks of an administrator who is removed or demoted. By its name it runs before tell_of_member: these
-- webhooks do not even get the message about the removal. Deliveries that are due stay, and are sent if another
-- administrator enables the webhook.
CREATE FUNCTION private.end_webhooks_of_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  IF OLD.role < 'admin' OR (TG_OP = 'UPDATE' AND NEW.role >= 'admin') THEN
    RETURN NULL;
  END IF;
  UPDATE public.webhook_endpoints AS e SET disabled_at = now()
  WHERE e.project_id = OLD.project_id AND e.disabled_at IS NULL
    AND OLD.user_id IN (e.url_set_by, e.secret_set_by);
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.end_webhooks_of_member FROM PUBLIC;
CREATE TRIGGER end_webhooks_of_member AFTER DELETE OR UPDATE OF role ON public.project_members
  FOR EACH ROW EXECUTE FUNCTION private.end_webhooks_of_member();

-- A role that stays what it was is no change to tell of.
DROP TRIGGER tell_of_member ON public.project_members;
CREATE TRIGGER tell_of_member AFTER INSERT OR DELETE ON public.project_members
  FOR EACH ROW EXECUTE FUNCTION private.tell_of_member();
CREATE TRIGGER tell_of_member_change AFTER UPDATE ON public.project_members FOR EACH ROW
  WHEN (OLD.role <> NEW.role) EXECUTE FUNCTION private.tell_of_member();

-- --- security events: membership, roles and passwords, in the transaction of the change
-- The member is the user whom the event concerns; `by` is the user who made the change.
CREATE FUNCTION private.record_membership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  member constant public.project_members := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  IF (TG_OP = 'INSERT' AND NEW.role = 'owner') OR (TG_OP = 'UPDATE' AND NEW.role = OLD.role) THEN
    RETURN NULL;
  END IF;
  -- Neither where the user is deleted, nor where the project is.
  INSERT INTO public.security_events (user_id, event_type, request_id, metadata)
  SELECT member.user_id,
    CASE TG_OP WHEN 'INSERT' THEN 'member.added' WHEN 'UPDATE' THEN 'member.role_changed' ELSE 'member.removed' END,
    left(coalesce(current_setting('request.id', true), ''), 128),
    jsonb_strip_nulls(jsonb_build_object(
      'projectId', member.project_id,
      'role', member.role,
      'before', CASE TG_OP WHEN 'UPDATE' THEN OLD.role END,
      'by', (SELECT auth.uid())
    ))
  FROM auth.users AS u, public.projects AS p
  WHERE u.id = member.user_id AND p.id = member.project_id;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.record_membership FROM PUBLIC;
CREATE TRIGGER record_membership AFTER INSERT OR UPDATE OF role OR DELETE ON public.project_members
  FOR EACH ROW EXECUTE FUNCTION private.record_membership();

-- Supabase Auth changes passwords, not this service: only the table knows of each.
CREATE FUNCTION private.record_password_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  INSERT INTO public.security_events (user_id, event_type, request_id) VALUES (NEW.id, 'password.changed', '');
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.record_password_change FROM PUBLIC;
CREATE TRIGGER record_password_change AFTER UPDATE OF encrypted_password ON auth.users
  FOR EACH ROW WHEN (OLD.encrypted_password IS DISTINCT FROM NEW.encrypted_password)
  EXECUTE FUNCTION private.record_password_change();

-- The role of an administrator of the service (`app_metadata.role`), which only the secret key changes.
CREATE FUNCTION private.record_role_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  INSERT INTO public.security_events (user_id, event_type, request_id, metadata)
  VALUES (NEW.id, 'role.changed', '', jsonb_strip_nulls(jsonb_build_object(
    'role', NEW.raw_app_meta_data ->> 'role',
    'before', CASE TG_OP WHEN 'UPDATE' THEN OLD.raw_app_meta_data ->> 'role' END
  )));
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.record_role_change FROM PUBLIC;
CREATE TRIGGER record_role_change AFTER UPDATE OF raw_app_meta_data ON auth.users FOR EACH ROW
  WHEN (OLD.raw_app_meta_data ->> 'role' IS DISTINCT FROM NEW.raw_app_meta_data ->> 'role')
  EXECUTE FUNCTION private.record_role_change();
CREATE TRIGGER record_first_role AFTER INSERT ON auth.users FOR EACH ROW
  WHEN (NEW.raw_app_meta_data ->> 'role' IS NOT NULL)
  EXECUTE FUNCTION private.record_role_change();

-- --- sessions: the administrator's role as it is now, not as it was when the token was made
CREATE FUNCTION private.find_session(session uuid, who uuid)
RETURNS TABLE (is_admin boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT coalesce(u.raw_app_meta_data ->> 'role' = 'admin', false)
  FROM auth.sessions AS s JOIN auth.users AS u ON u.id = s.user_id
  WHERE s.id = session AND s.user_id = who AND (u.banned_until IS NULL OR u.banned_until <= now())
$$;
REVOKE EXECUTE ON FUNCTION private.find_session FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.find_session TO api;

-- --- webhooks: deliveries of a project, and of an owner over all projects, are bounded, so that slow receivers of one hold up
-- no other
CREATE INDEX idx_webhook_deliveries_waiting ON public.webhook_deliveries (endpoint_id, next_attempt_at)
  WHERE state = 'pending';

-- Bounds the messages that wait for a webhook, of which a slow receiver would have ever more: the one that is due first fails.
CREATE FUNCTION private.limit_waiting_deliveries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  highest constant integer := 1000;
BEGIN
  UPDATE public.webhook_deliveries AS d
  SET state = 'failed', last_error = 'more than ' || highest || ' messages were waiting', completed_at = now()
  WHERE d.id IN (
    SELECT s.id FROM public.webhook_deliveries AS s
    WHERE s.state = 'pending' AND s.id IN (
      SELECT w.id FROM public.webhook_deliveries AS w
      WHERE w.endpoint_id = NEW.endpoint_id AND w.state = 'pending'
      ORDER BY w.next_attempt_at DESC OFFSET highest - 1
    )
    FOR UPDATE SKIP LOCKED
  );
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION private.limit_waiting_deliveries FROM PUBLIC;
CREATE TRIGGER limit_waiting BEFORE INSERT ON public.webhook_deliveries FOR EACH ROW WHEN (NEW.state = 'pending')
  EXECUTE FUNCTION private.limit_waiting_deliveries();

-- `busy` names the project of each delivery that the caller has under way. Owners take turns: one with fewer deliveries under
-- way comes first. Of each webhook only the first rows are looked at, however many wait.
CREATE FUNCTION private.claim_webhooks(
  batch integer, lease interval, per_project integer, per_owner integer, busy uuid[]
)
RETURNS TABLE (id uuid, attempts integer, payload jsonb, endpoint_id uuid, project_id uuid, url text, secret text)
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  -- Webhooks with deliveries that wait, each found by one look into the index.
  WITH RECURSIVE waiting (endpoint) AS (
    (SELECT d.endpoint_id FROM public.webhook_deliveries AS d WHERE d.state = 'pending' ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (
      SELECT d.endpoint_id FROM public.webhook_deliveries AS d
      WHERE d.state = 'pending' AND d.endpoint_id > w.endpoint ORDER BY 1 LIMIT 1
    ) FROM waiting AS w WHERE w.endpoint IS NOT NULL
  ),
  of_project AS (
    SELECT b.project, p.user_id AS owner, count(*)::integer AS deliveries
    FROM unnest(busy) AS b (project) JOIN public.projects AS p ON p.id = b.project GROUP BY 1, 2
  ),
  of_owner AS (
    SELECT o.owner, sum(o.deliveries)::integer AS deliveries FROM of_project AS o GROUP BY 1
  ),
  first_due AS (
    SELECT d.id, d.next_attempt_at, p.id AS project, p.user_id AS owner,
      coalesce(op.deliveries, 0) AS of_project, coalesce(oo.deliveries, 0) AS of_owner
    FROM waiting AS w
    JOIN public.webhook_endpoints AS e ON e.id = w.endpoint AND e.disabled_at IS NULL
    JOIN public.projects AS p ON p.id = e.project_id
    LEFT JOIN of_project AS op ON op.project = p.id
    LEFT JOIN of_owner AS oo ON oo.owner = p.user_id
    CROSS JOIN LATERAL (
      SELECT f.id, f.next_attempt_at FROM public.webhook_deliveries AS f
      WHERE f.endpoint_id = e.id AND f.state = 'pending' AND f.next_attempt_at <= now()
      ORDER BY f.next_attempt_at LIMIT per_project
    ) AS d
    WHERE coalesce(op.deliveries, 0) < per_project AND coalesce(oo.deliveries, 0) < per_owner
  ),
  placed AS (
    SELECT f.*, f.of_project + row_number() OVER (PARTITION BY f.project ORDER BY f.next_attempt_at, f.id) AS place
    FROM first_due AS f
  ),
  ranked AS (
    SELECT p.id, p.next_attempt_at,
      p.of_owner + row_number() OVER (PARTITION BY p.owner ORDER BY p.place, p.next_attempt_at, p.id) AS turn
    FROM placed AS p WHERE p.place <= per_project
  ),
  due AS (
    SELECT d.id FROM public.webhook_deliveries AS d
    JOIN ranked AS r ON r.id = d.id
    WHERE r.turn <= per_owner AND d.state = 'pending' AND d.next_attempt_at <= now()
    ORDER BY r.turn, r.next_attempt_at
    LIMIT batch
    FOR UPDATE OF d SKIP LOCKED
  )
  UPDATE public.webhook_deliveries AS d
  SET attempts = d.attempts + 1, next_attempt_at = now() + lease
  FROM due, public.webhook_endpoints AS e
  WHERE d.id = due.id AND e.id = d.endpoint_id
  RETURNING d.id, d.attempts, d.payload, e.id, e.project_id, e.url, e.secret
$$;
REVOKE EXECUTE ON FUNCTION private.claim_webhooks(integer, interval, integer, integer, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.claim_webhooks(integer, interval, integer, integer, uuid[]) TO api, service_role;
