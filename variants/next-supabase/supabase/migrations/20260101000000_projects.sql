-- Projects and their members.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- What policies and the service call, out of the reach of the REST API.
CREATE SCHEMA private;
GRANT USAGE ON SCHEMA private TO authenticated, api, service_role;
GRANT USAGE ON SCHEMA public TO api;

-- In ascending order: `role >= 'editor'` is "may write".
CREATE TYPE public.project_role AS ENUM ('viewer', 'editor', 'admin', 'owner');

CREATE TABLE public.projects (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users (id) ON DELETE CASCADE,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
  description text CHECK (char_length(description) <= 2000),
  settings jsonb NOT NULL DEFAULT '{"isPublic": false, "features": []}' CHECK (jsonb_typeof(settings) = 'object'),
  version integer NOT NULL DEFAULT 1,
  -- Milliseconds: what a cursor holds.
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX idx_projects_user_created ON public.projects (user_id, created_at DESC, id DESC);

CREATE TABLE public.project_members (
  project_id uuid NOT NULL REFERENCES public.projects (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  role public.project_role NOT NULL DEFAULT 'viewer',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (project_id, user_id)
);
CREATE INDEX idx_project_members_user ON public.project_members (user_id, project_id);

-- The projects in which the current user has at least this role. Definer's rights: a policy on project_members that
-- reads project_members would call itself. As `id IN (SELECT ...)` it runs once per statement, not once per row.
CREATE FUNCTION private.project_ids(minimum public.project_role DEFAULT 'viewer')
RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT m.project_id FROM public.project_members AS m
  WHERE m.user_id = (SELECT auth.uid()) AND m.role >= minimum
$$;
REVOKE EXECUTE ON FUNCTION private.project_ids FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.project_ids TO authenticated;

-- Who creates a project owns it.
CREATE FUNCTION private.add_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  INSERT INTO public.project_members (project_id, user_id, role) VALUES (NEW.id, NEW.user_id, 'owner');
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.add_owner FROM PUBLIC;
CREATE TRIGGER add_owner AFTER INSERT ON public.projects FOR EACH ROW EXECUTE FUNCTION private.add_owner();

-- Optimistic locking: each change makes a new version, however it arrives.
CREATE FUNCTION private.next_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  NEW.version := OLD.version + 1;
  NEW.updated_at := now();
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION private.next_version FROM PUBLIC;
CREATE TRIGGER next_version BEFORE UPDATE ON public.projects FOR EACH ROW EXECUTE FUNCTION private.next_version();

-- --- projects: a member reads, an editor changes, the owner deletes; a public one is read by every user
ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.projects FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.projects FROM anon, authenticated;
GRANT SELECT, DELETE ON public.projects TO authenticated;
GRANT INSERT (id, user_id, name, description, settings) ON public.projects TO authenticated;
GRANT UPDATE (name, description, settings) ON public.projects TO authenticated;
GRANT ALL ON public.projects TO service_role;

CREATE POLICY "Members see their projects, everybody sees public ones" ON public.projects
  FOR SELECT TO authenticated
  USING (
    user_id = (SELECT auth.uid())
    OR id IN (SELECT private.project_ids())
    OR ((SELECT auth.uid()) IS NOT NULL AND (settings -> 'isPublic') = 'true'::jsonb)
  );
CREATE POLICY "Users create projects of their own" ON public.projects
  FOR INSERT TO authenticated
  WITH CHECK (user_id = (SELECT auth.uid()));
CREATE POLICY "Editors change projects" ON public.projects
  FOR UPDATE TO authenticated
  USING (id IN (SELECT private.project_ids('editor')))
  WITH CHECK (id IN (SELECT private.project_ids('editor')));
CREATE POLICY "Owners delete projects" ON public.projects
  FOR DELETE TO authenticated
  USING (id IN (SELECT private.project_ids('owner')));

-- --- project_members: members see each other, administrators manage them, nobody makes or removes an owner
ALTER TABLE public.project_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.project_members FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.project_members FROM anon, authenticated;
GRANT SELECT, DELETE ON public.project_members TO authenticated;
GRANT INSERT (project_id, user_id, role) ON public.project_members TO authenticated;
GRANT UPDATE (role) ON public.project_members TO authenticated;
GRANT ALL ON public.project_members TO service_role;

CREATE POLICY "Members see the members of their projects" ON public.project_members
  FOR SELECT TO authenticated
  USING (project_id IN (SELECT private.project_ids()));
CREATE POLICY "Administrators add members" ON public.project_members
  FOR INSERT TO authenticated
  WITH CHECK (project_id IN (SELECT private.project_ids('admin')) AND role < 'owner');
CREATE POLICY "Administrators change the roles of members" ON public.project_members
  FOR UPDATE TO authenticated
  USING (project_id IN (SELECT private.project_ids('admin')) AND role < 'owner')
  WITH CHECK (project_id IN (SELECT private.project_ids('admin')) AND role < 'owner');
CREATE POLICY "Administrators remove members, and members leave" ON public.project_members
  FOR DELETE TO authenticated
  USING (
    role < 'owner'
    AND (user_id = (SELECT auth.uid()) OR project_id IN (SELECT private.project_ids('admin')))
  );

-- A project as a user reads it, with the role and the claims of lib/database/transaction.ts, in one round trip instead of
-- the three of a transaction. Both end with the statement: call it outside a transaction.
CREATE FUNCTION private.read_project(who uuid, project uuid)
RETURNS SETOF public.projects
LANGUAGE plpgsql SET search_path = '' SET role = 'authenticated'
AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', json_build_object('sub', who, 'role', 'authenticated')::text, true);
  RETURN QUERY SELECT p.* FROM public.projects AS p WHERE p.id = project;
END $$;
REVOKE EXECUTE ON FUNCTION private.read_project FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.read_project TO api;
