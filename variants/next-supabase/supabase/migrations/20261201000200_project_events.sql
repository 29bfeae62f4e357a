-- Events of projects to every process of the service (lib/events/project-events.ts), for changes by anybody, and
-- what Realtime may tell.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- PostgreSQL delivers a notification with the commit, and not at all without one. The payload is what clients get.
CREATE FUNCTION private.notify_of_project() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  PERFORM pg_notify('project_events', (CASE TG_OP
    WHEN 'DELETE' THEN json_build_object('type', 'project.deleted', 'projectId', OLD.id)
    ELSE json_build_object('type', 'project.updated', 'projectId', NEW.id, 'version', NEW.version)
  END)::text);
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.notify_of_project FROM PUBLIC;
CREATE TRIGGER notify_of_project AFTER UPDATE OR DELETE ON public.projects
  FOR EACH ROW EXECUTE FUNCTION private.notify_of_project();

-- Definer's rights: a member who has left does not see the project. A project that is deleted takes its members along, and one
-- that is new has nobody who listens: neither is a change of members.
CREATE FUNCTION private.notify_of_members() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  member constant public.project_members := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  IF (TG_OP = 'INSERT' AND member.role = 'owner')
    OR NOT EXISTS (SELECT FROM public.projects AS p WHERE p.id = member.project_id) THEN
    RETURN NULL;
  END IF;
  PERFORM pg_notify(
    'project_events', json_build_object('type', 'members.changed', 'projectId', member.project_id)::text
  );
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.notify_of_members FROM PUBLIC;
CREATE TRIGGER notify_of_members AFTER INSERT OR DELETE ON public.project_members
  FOR EACH ROW EXECUTE FUNCTION private.notify_of_members();
CREATE TRIGGER notify_of_member_change AFTER UPDATE ON public.project_members FOR EACH ROW
  WHEN (OLD.role <> NEW.role) EXECUTE FUNCTION private.notify_of_members();

-- Realtime asks no policy before it tells of a DELETE, since the row is gone: with row-level security it sends the primary key
-- to every subscriber of the table (https://supabase.com/docs/guides/realtime/postgres-changes#delete-events-are-not-filterable).
-- The key of project_members says who was in which project. The key of projects is a random id, which says nothing.
DO $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
    WHERE p.pubname = 'supabase_realtime' AND r.prrelid = 'public.project_members'::regclass
  ) THEN
    ALTER PUBLICATION supabase_realtime DROP TABLE public.project_members;
  END IF;
END $$;
