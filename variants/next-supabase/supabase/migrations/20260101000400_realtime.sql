-- Realtime sends changes of these tables to subscribed clients, each of whom sees what the policies let them see.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

ALTER PUBLICATION supabase_realtime ADD TABLE public.projects, public.project_members;
