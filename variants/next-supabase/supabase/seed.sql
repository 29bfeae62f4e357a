-- Development data: two users (password: correct horse battery; Ada is an administrator of the service), a project of theirs and some usage.
-- It can be run again: what is there stays as it is.
INSERT INTO auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data)
SELECT id::uuid, 'authenticated', 'authenticated', email, extensions.crypt('correct horse battery', extensions.gen_salt('bf')),
  now(), app_metadata::jsonb, jsonb_build_object('name', name)
FROM (VALUES
  ('a0000000-0000-4000-8000-000000000001', 'ada@example.com', 'Ada', '{"provider": "email", "providers": ["email"], "role": "admin"}'),
  ('a0000000-0000-4000-8000-000000000002', 'grace@example.com', 'Grace', '{"provider": "email", "providers": ["email"]}')
) AS people (id, email, name, app_metadata)
ON CONFLICT DO NOTHING;

INSERT INTO public.projects (id, user_id, name, description)
VALUES ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'Analytical engine', 'Cards in, numbers out')
ON CONFLICT DO NOTHING;

INSERT INTO public.project_members (project_id, user_id, role)
VALUES ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000002', 'editor')
ON CONFLICT DO NOTHING;

INSERT INTO public.usage_metrics (user_id, project_id, event_type, created_at)
SELECT 'a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'project.updated', now() - day * interval '1 day'
FROM generate_series(0, 59) AS day
WHERE NOT EXISTS (SELECT FROM public.usage_metrics);
