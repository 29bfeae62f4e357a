-- API keys of users: the hash is stored, the prefix is shown.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE public.api_keys (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users (id) ON DELETE CASCADE,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
  prefix text NOT NULL,
  -- SHA-256 of the whole key: 256 random bits need no slow hash.
  hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
  -- Which there are says the service (SCOPES), whose modules each have their own.
  scopes text[] NOT NULL CHECK (
    cardinality(scopes) > 0 AND array_to_string(scopes, ' ', '') ~ '^[a-z][a-z0-9-]*:[a-z]+( [a-z][a-z0-9-]*:[a-z]+)*$'
  ),
  expires_at timestamptz(3),
  last_used_at timestamptz(3),
  revoked_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
-- Two keys of a user that work are told apart by their names.
CREATE UNIQUE INDEX api_keys_user_name ON public.api_keys (user_id, name) WHERE revoked_at IS NULL;
CREATE INDEX idx_api_keys_user_created ON public.api_keys (user_id, created_at DESC, id DESC);

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.api_keys FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public.api_keys FROM anon, authenticated;
GRANT SELECT (id, user_id, name, prefix, scopes, expires_at, last_used_at, revoked_at, created_at)
  ON public.api_keys TO authenticated;
GRANT INSERT (name, prefix, hash, scopes, expires_at) ON public.api_keys TO authenticated;
GRANT UPDATE (revoked_at) ON public.api_keys TO authenticated;
GRANT ALL ON public.api_keys TO service_role;

CREATE POLICY "Users see their keys" ON public.api_keys
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
CREATE POLICY "Users create keys of their own" ON public.api_keys
  FOR INSERT TO authenticated
  WITH CHECK (user_id = (SELECT auth.uid()));
-- A key that is revoked stays so.
CREATE POLICY "Users revoke their keys" ON public.api_keys
  FOR UPDATE TO authenticated
  USING (user_id = (SELECT auth.uid()) AND revoked_at IS NULL)
  WITH CHECK (user_id = (SELECT auth.uid()) AND revoked_at IS NOT NULL);
CREATE POLICY "Nobody deletes a key: it is revoked, and stays on record" ON public.api_keys
  FOR DELETE TO authenticated
  USING (false);

-- Whose key this is, where it is one that works. Its last use is kept to the minute: no write for each request.
CREATE FUNCTION private.use_api_key(key_hash bytea)
RETURNS TABLE (key_id uuid, user_id uuid, scopes text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  UPDATE public.api_keys AS k SET last_used_at = now()
  WHERE k.hash = key_hash AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute')
    AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());
  RETURN QUERY
    SELECT k.id, k.user_id, k.scopes FROM public.api_keys AS k JOIN auth.users AS u ON u.id = k.user_id
    WHERE k.hash = key_hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (u.banned_until IS NULL OR u.banned_until <= now());
END $$;
REVOKE EXECUTE ON FUNCTION private.use_api_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.use_api_key TO api;

-- Whether a session still stands: sign-out and a ban end it before its access token runs out.
CREATE FUNCTION private.is_session_active(session uuid, who uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT EXISTS (
    SELECT FROM auth.sessions AS s JOIN auth.users AS u ON u.id = s.user_id
    WHERE s.id = session AND s.user_id = who AND (u.banned_until IS NULL OR u.banned_until <= now())
  )
$$;
REVOKE EXECUTE ON FUNCTION private.is_session_active FROM PUBLIC;
GRANT EXECUTE ON FUNCTION private.is_session_active TO api;
