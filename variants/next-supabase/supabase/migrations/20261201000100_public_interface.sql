-- PostgREST is as public as the API: the publishable key and a user's access token are enough to write. So the tables refuse
-- what the API's schemas refuse, and some are written by the service alone.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- --- the schemas of lib/, for constraints

-- UTF-16 code units, as JavaScript counts: a character beyond U+FFFF is two.
CREATE FUNCTION private.utf16_length(value text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
AS $$
  SELECT char_length(value) + regexp_count(value, '[\U00010000-\U0010FFFF]')
$$;

-- `plainText` of lib/api/schemas.ts: no control characters but tab, line feed and carriage return, and not only the white space
-- that JavaScript's trim() removes. PostgreSQL itself refuses NUL and lone surrogates.
CREATE FUNCTION private.is_plain_text(value text, minimum integer, maximum integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
AS $$
  SELECT private.utf16_length(value) <= maximum
    AND value !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]'
    AND private.utf16_length(btrim(value,
      E'\t\n\u000b\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff'
    )) >= minimum
$$;

-- An e-mail address as Zod's `z.email().max(254)` has it.
CREATE FUNCTION private.is_email(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
AS $$
  SELECT char_length(value) <= 254
    AND value ~ '^([A-Za-z0-9_''+-]+\.)*[A-Za-z0-9_''+-]*[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}$'
$$;

-- A UUID as `z.uuid()` has it (RFC 9562): with a version and a variant, or nil, or max.
CREATE FUNCTION private.is_uuid(value uuid) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
AS $$
  SELECT value::text ~ '^([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|[0]{8}-[0]{4}-[0]{4}-[0]{4}-[0]{12}|f{8}-f{4}-f{4}-f{4}-f{12})$'
$$;

-- A JSON object that a request can carry: at most `maximum` UTF-16 code units as JSON.stringify writes it, names of at most 100,
-- no deeper than a body may be, and no number that a double cannot hold. jsonb is text with a space after each colon and comma.
CREATE FUNCTION private.is_json_object(value jsonb, maximum integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
AS $$
  SELECT CASE WHEN value IS NULL THEN NULL WHEN jsonb_typeof(value) <> 'object' THEN false ELSE
    NOT jsonb_path_exists(value, 'strict $.**{31 to last} ? (@.type() == "object" || @.type() == "array")')
    AND NOT EXISTS (SELECT FROM jsonb_object_keys(value) AS name WHERE private.utf16_length(name) > 100)
    AND private.utf16_length(value::text) - (
      SELECT coalesce(sum(
        CASE jsonb_typeof(part)
          WHEN 'array' THEN greatest(jsonb_array_length(part) - 1, 0)
          WHEN 'object' THEN greatest(2 * (SELECT count(*) FROM jsonb_object_keys(part)) - 1, 0)
          WHEN 'number' THEN greatest(char_length(part::text) - char_length((part::double precision)::text), 0)
          ELSE 0
        END
      ), 0)
      FROM jsonb_path_query(value, 'strict $.**') AS part
    ) <= maximum
  END
$$;

CREATE FUNCTION private.is_project_settings(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
AS $$
  SELECT CASE
    WHEN jsonb_typeof(value) <> 'object' THEN false
    WHEN value - ARRAY['isPublic', 'features'] <> '{}' THEN false
    WHEN jsonb_typeof(value -> 'isPublic') IS DISTINCT FROM 'boolean' THEN false
    WHEN jsonb_typeof(value -> 'features') IS DISTINCT FROM 'array' THEN false
    WHEN jsonb_array_length(value -> 'features') > 50 THEN false
    ELSE NOT EXISTS (
      SELECT FROM jsonb_array_elements(value -> 'features') AS feature
      WHERE jsonb_typeof(feature) <> 'string' OR NOT private.is_plain_text(feature #>> '{}', 1, 50)
    )
  END
$$;

-- A time that a Date holds, in years of four digits.
CREATE FUNCTION private.is_time(value timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
AS $$
  SELECT value >= '0001-01-01 00:00:00+00' AND value < '10000-01-01 00:00:00+00'
$$;

-- For modules that mark rows as deleted: when that was is not a client's to say, and what is deleted can only be restored.
CREATE FUNCTION private.stamp_deletion() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  IF current_user = 'authenticated' AND OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NOT NULL THEN
    RAISE EXCEPTION 'A deleted row cannot be changed.' USING ERRCODE = 'check_violation', HINT = 'Restore it first.';
  END IF;
  NEW.deleted_at := CASE WHEN NEW.deleted_at IS NOT NULL THEN coalesce(OLD.deleted_at, now()) END;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION private.stamp_deletion FROM PUBLIC;

-- For modules: no row refers to one that is marked as deleted. The arguments name the column, the table that it refers to, and
-- the foreign key, which cannot see the mark. A deletion at the same time waits, or is waited for.
CREATE FUNCTION private.refuse_deleted_reference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  target constant uuid := to_jsonb(NEW) ->> TG_ARGV[0];
  deleted boolean;
BEGIN
  -- A row of another user, which the policies refuse: this would tell what is deleted there.
  IF auth.uid() <> NEW.user_id THEN
    RETURN NEW;
  END IF;
  EXECUTE format(
    'SELECT (to_jsonb(t) ->> ''deleted_at'') IS NOT NULL FROM %s AS t WHERE t.user_id = $1 AND t.id = $2 FOR SHARE',
    TG_ARGV[1]::regclass
  ) INTO deleted USING NEW.user_id, target;
  IF deleted THEN
    RAISE EXCEPTION 'The row that % refers to is deleted.', TG_ARGV[0]
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_ARGV[2];
  END IF;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION private.refuse_deleted_reference FROM PUBLIC;

-- Adds that trigger to each table of a module that has the foreign key alone: user_id and a column that refer to user_id and id
-- of a table with deleted_at. It can be called again.
CREATE FUNCTION private.protect_references() RETURNS void
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  reference record;
BEGIN
  FOR reference IN
    SELECT c.conname AS name, s.relname AS source, t.relname AS target, a.attname AS column_name
    FROM pg_constraint AS c
    JOIN pg_class AS s ON s.oid = c.conrelid AND pg_has_role(s.relowner, 'USAGE')
    JOIN pg_class AS t ON t.oid = c.confrelid AND t.relnamespace = s.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[2] AND a.atttypid = 'uuid'::regtype
    JOIN pg_attribute AS u ON u.attrelid = c.conrelid AND u.attnum = c.conkey[1] AND u.attname = 'user_id'
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND cardinality(c.conkey) = 2
      AND (
        SELECT array_agg(f.attname::text ORDER BY k.n)
        FROM unnest(c.confkey) WITH ORDINALITY AS k (num, n)
        JOIN pg_attribute AS f ON f.attrelid = c.confrelid AND f.attnum = k.num
      ) = ARRAY['user_id', 'id']
      AND EXISTS (SELECT FROM pg_attribute AS d WHERE d.attrelid = t.oid AND d.attname = 'deleted_at' AND NOT d.attisdropped)
  LOOP
    EXECUTE format(
      'CREATE OR REPLACE TRIGGER %1$I BEFORE INSERT OR UPDATE OF %2$I ON public.%3$I FOR EACH ROW WHEN (NEW.%2$I IS NOT NULL)
       EXECUTE FUNCTION private.refuse_deleted_reference(%2$L, %4$L, %5$L)',
      left('refuse_deleted_' || reference.column_name, 63), reference.column_name, reference.source,
      format('public.%I', reference.target), reference.name
    );
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION private.protect_references FROM PUBLIC;
-- Modules of earlier releases.
SELECT private.protect_references();

-- --- projects: written by clients of PostgREST too
-- Earlier releases stored what is now refused. What a row lacks is added, and nothing is taken away.
UPDATE public.projects SET settings = '{"isPublic": false, "features": []}'::jsonb || settings
WHERE NOT settings ?& ARRAY['isPublic', 'features'];

-- NOT VALID: rows that break a rule stay as they are, and can be read and deleted; the next change of one must correct it. To find
-- them: ALTER TABLE public.projects VALIDATE CONSTRAINT projects_settings_shape, and so on.
ALTER TABLE public.projects
  ADD CONSTRAINT projects_name_plain CHECK (private.is_plain_text(name, 1, 100)) NOT VALID,
  ADD CONSTRAINT projects_description_plain CHECK (private.is_plain_text(description, 0, 2000)) NOT VALID,
  ADD CONSTRAINT projects_settings_shape CHECK (private.is_project_settings(settings)) NOT VALID;

-- The id of a new row is the database's: one that is chosen tells whether another user's row has it.
REVOKE INSERT (id) ON public.projects FROM authenticated;

-- A request of PostgREST is one statement with as many rows as fit into its body, or as a filter finds.
CREATE FUNCTION private.limit_rows() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  highest constant integer := 100;
BEGIN
  IF current_user = 'authenticated' AND (SELECT count(*) FROM changed) > highest THEN
    RAISE EXCEPTION 'A request can change at most % rows of %.', highest, TG_TABLE_NAME
      USING ERRCODE = 'program_limit_exceeded', HINT = 'Send several requests.';
  END IF;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION private.limit_rows FROM PUBLIC;
CREATE TRIGGER limit_inserts AFTER INSERT ON public.projects REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();
CREATE TRIGGER limit_updates AFTER UPDATE ON public.projects REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();
CREATE TRIGGER limit_deletes AFTER DELETE ON public.projects REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();
CREATE TRIGGER limit_inserts AFTER INSERT ON public.project_members REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();
CREATE TRIGGER limit_updates AFTER UPDATE ON public.project_members REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();
CREATE TRIGGER limit_deletes AFTER DELETE ON public.project_members REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();

-- --- written by the service alone: a key's hash must be of random bits, a webhook's address and secret are checked and
-- encrypted, and usage is counted against the rate limit. No constraint can see any of that.
REVOKE INSERT (name, prefix, hash, scopes, expires_at), UPDATE (revoked_at) ON public.api_keys FROM authenticated;
GRANT INSERT (name, prefix, hash, scopes, expires_at), UPDATE (revoked_at) ON public.api_keys TO api_user;

REVOKE INSERT (id, project_id, url, description, event_types, secret),
  UPDATE (url, description, event_types, secret, failures, disabled_at), DELETE
  ON public.webhook_endpoints FROM authenticated;
GRANT INSERT (id, project_id, url, description, event_types, secret),
  UPDATE (url, description, event_types, secret, failures, disabled_at), DELETE
  ON public.webhook_endpoints TO api_user;

REVOKE INSERT (user_id, project_id, event_type, metadata) ON public.usage_metrics FROM authenticated;
GRANT INSERT (user_id, project_id, event_type, metadata) ON public.usage_metrics TO api_user;

-- ENDPOINTS_PER_PROJECT of lib/webhooks/endpoints.ts, for requests at the same time: they wait for each other at the project.
CREATE FUNCTION private.limit_webhooks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  PERFORM FROM public.projects AS p WHERE p.id = NEW.project_id FOR NO KEY UPDATE;
  IF (SELECT count(*) FROM public.webhook_endpoints AS e WHERE e.project_id = NEW.project_id) >= 20 THEN
    RAISE EXCEPTION 'A project has at most 20 webhooks.'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'webhook_endpoints_per_project';
  END IF;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION private.limit_webhooks FROM PUBLIC;
CREATE TRIGGER limit_webhooks BEFORE INSERT ON public.webhook_endpoints
  FOR EACH ROW EXECUTE FUNCTION private.limit_webhooks();

-- --- reading: by column, so that a column that is added is nobody's to read until it is granted. Tables of options that this
-- service does not have are left out.
DO $$
DECLARE
  relation regclass;
  columns text;
BEGIN
  FOR relation IN
    SELECT to_regclass('public.' || name) FROM unnest(ARRAY[
      'projects', 'project_members', 'project_analytics', 'usage_metrics', 'usage_daily', 'usage_monthly', 'security_events',
      'webhook_deliveries', 'ai_usage', 'billing_customers', 'subscriptions'
    ]) AS name
    WHERE to_regclass('public.' || name) IS NOT NULL
  LOOP
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
    FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped;
    EXECUTE format('REVOKE SELECT ON %s FROM authenticated', relation);
    EXECUTE format('GRANT SELECT (%s) ON %s TO authenticated', columns, relation);
  END LOOP;
END $$;

-- As private.read_project, which names no columns and stays for processes of the release before.
CREATE FUNCTION private.project_for(who uuid, project uuid)
RETURNS TABLE (
  id uuid, user_id uuid, name text, description text, settings jsonb, version integer, created_at timestamptz,
  updated_at timestamptz
)
LANGUAGE plpgsql SET search_path = '' SET role = 'authenticated'
AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', json_build_object('sub', who, 'role', 'authenticated')::text, true);
  RETURN QUERY
    SELECT p.id, p.user_id, p.name, p.description, p.settings, p.version, p.created_at, p.updated_at
    FROM public.projects AS p WHERE p.id = project;
END $$;
REVOKE EXECUTE ON FUNCTION private.project_for FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.project_for TO api;
