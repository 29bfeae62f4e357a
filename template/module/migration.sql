[%- from "template/module/supabase" import foreign_key, key, quoted with context -%]
[%- set table = "public." ~ quoted(module.many.snake) -%]
[%- set words = module.many.words -%]
[%- set columns = [] -%]
[%- for field in module.fields %][% set _ = columns.append(quoted(field.column) | string) %][% endfor -%]
-- [[ words | capitalize ]] of users.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- PostgREST is as public as the API: each CHECK is what lib/[[ module_plural ]]/[[ module_singular ]].ts asks for.
CREATE TABLE [[ table ]] (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users (id) ON DELETE CASCADE,
[%- for field in module.fields %]
[%- set column = quoted(field.column) %]
[%- set type = {"integer": "integer", "number": "double precision", "boolean": "boolean", "date": "date", "datetime": "timestamptz(3)", "uuid": "uuid", "json": "jsonb", "reference": "uuid"}.get(field.type, "text") %]
[%- set rule = {
  "string": "private.is_plain_text(" ~ column ~ ", 1, 200)",
  "text": "private.is_plain_text(" ~ column ~ ", " ~ (1 if field.required else 0) ~ ", 5000)",
  "number": column ~ " BETWEEN '-1.7976931348623157e308' AND '1.7976931348623157e308'",
  "date": column ~ " BETWEEN '0001-01-01' AND '9999-12-31'",
  "datetime": "private.is_time(" ~ column ~ ")",
  "uuid": "private.is_uuid(" ~ column ~ ")",
  "email": "private.is_email(" ~ column ~ ")",
  "enum": column ~ " IN ('" ~ field["values"] | join("', '") ~ "')",
  "json": "private.is_json_object(" ~ column ~ ", 8192)",
}.get(field.type) %]
  [[ column ]] [[ type ]][% if field.required %] NOT NULL[% endif %][% if rule %] CHECK ([[ rule ]])[% endif %],
[%- endfor %]
  version integer NOT NULL DEFAULT 1,
[%- if module.softDelete %]
  deleted_at timestamptz(3),
[%- endif %]
  -- Milliseconds: what a cursor holds.
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  -- What refers to a row names its owner too: a reference by id alone would take another user's.
  UNIQUE (user_id, id)[% for field in module.fields if field.target %],
[%- if field.target.many.kebab == "projects" %]
  -- Of a project of which the owner is a member: with the membership ends [% if field.required %]the row, since it cannot be without one[% else %]the reference[% endif %].
[%- endif %]
  CONSTRAINT [[ foreign_key(field) ]] FOREIGN KEY ([% if field.target.many.kebab == "projects" %][[ field.column ]], user_id) REFERENCES public.project_members (project_id, user_id)[% else %]user_id, [[ field.column ]]) REFERENCES public.[[ quoted(field.target.many.snake) ]] (user_id, id)[% endif %]
    ON DELETE [% if field.required %]CASCADE[% else %]SET NULL ([[ field.column ]])[% endif %][% endfor %]
);
CREATE INDEX idx_[[ module.many.snake ]]_user_created ON [[ table ]] (user_id, created_at DESC, id DESC);
[%- for field in module.fields if field.unique %]
CREATE UNIQUE INDEX [[ key(field) ]] ON [[ table ]] (user_id, [[ quoted(field.column) ]])[% if module.softDelete %] WHERE deleted_at IS NULL[% endif %];
[%- endfor %]
[%- for field in module.fields if field.indexed and (not field.unique or field.target) %]
CREATE INDEX [[ ("idx_" ~ module.many.snake ~ "_user_" ~ field.column)[:63] ]] ON [[ table ]] (user_id, [[ quoted(field.column) ]][% if field.filter %], created_at DESC, id DESC[% endif %]);
[%- endfor %]

CREATE TRIGGER next_version BEFORE UPDATE ON [[ table ]] FOR EACH ROW EXECUTE FUNCTION private.next_version();
[%- if module.softDelete %]
CREATE TRIGGER stamp_deletion BEFORE UPDATE ON [[ table ]] FOR EACH ROW EXECUTE FUNCTION private.stamp_deletion();
[%- endif %]
[%- for field in module.fields if field.target and field.target.many.kebab != "projects" %]
CREATE TRIGGER [[ ("refuse_deleted_" ~ field.column)[:63] ]] BEFORE INSERT OR UPDATE OF [[ quoted(field.column) ]] ON [[ table ]]
  FOR EACH ROW WHEN (NEW.[[ quoted(field.column) ]] IS NOT NULL)
  EXECUTE FUNCTION private.refuse_deleted_reference('[[ field.column ]]', 'public.[[ quoted(field.target.many.snake) ]]', '[[ foreign_key(field) ]]');
[%- endfor %]
CREATE TRIGGER limit_inserts AFTER INSERT ON [[ table ]] REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();
CREATE TRIGGER limit_updates AFTER UPDATE ON [[ table ]] REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();
CREATE TRIGGER limit_deletes AFTER DELETE ON [[ table ]] REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION private.limit_rows();

ALTER TABLE [[ table ]] ENABLE ROW LEVEL SECURITY;
ALTER TABLE [[ table ]] FORCE ROW LEVEL SECURITY;
REVOKE ALL ON [[ table ]] FROM anon, authenticated;
[%- set stamps = ["version"] + (["deleted_at"] if module.softDelete else []) + ["created_at", "updated_at"] %]
-- By column: one that is added is nobody's to read or write until it is granted. The id of a new row is the database's.
GRANT SELECT ([[ (["id", "user_id"] + columns + stamps) | join(", ") | wordwrap(110, wrapstring="\n  ") ]])
  ON [[ table ]] TO authenticated;
[%- if not module.softDelete %]
GRANT DELETE ON [[ table ]] TO authenticated;
[%- endif %]
GRANT INSERT ([[ (["user_id"] + columns) | join(", ") | wordwrap(110, wrapstring="\n  ") ]])
  ON [[ table ]] TO authenticated;
GRANT UPDATE ([[ (columns + (["deleted_at"] if module.softDelete else [])) | join(", ") | wordwrap(110, wrapstring="\n  ") ]])
  ON [[ table ]] TO authenticated;
GRANT ALL ON [[ table ]] TO service_role;

CREATE POLICY "Users see their [[ words ]]" ON [[ table ]]
  FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
CREATE POLICY "Users create [[ words ]] of their own" ON [[ table ]]
  FOR INSERT TO authenticated
  WITH CHECK (user_id = (SELECT auth.uid()));
CREATE POLICY "Users change their [[ words ]]" ON [[ table ]]
  FOR UPDATE TO authenticated
  USING (user_id = (SELECT auth.uid()))
  WITH CHECK (user_id = (SELECT auth.uid()));
[%- if module.softDelete %]
CREATE POLICY "Nobody deletes [[ words ]]: they stay, marked" ON [[ table ]]
  FOR DELETE TO authenticated
  USING (false);
[%- else %]
CREATE POLICY "Users delete their [[ words ]]" ON [[ table ]]
  FOR DELETE TO authenticated
  USING (user_id = (SELECT auth.uid()));
[%- endif %]
[%- if module.events %]

-- Realtime tells subscribed clients what happens, each of them what the policies let them see.
ALTER PUBLICATION supabase_realtime ADD TABLE [[ table ]];
[%- endif %]
