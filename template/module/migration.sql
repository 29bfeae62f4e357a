[%- from "template/module/supabase" import foreign_key, key, quoted with context -%]
[%- set table = "public." ~ quoted(module.many.snake) -%]
[%- set words = module.many.words -%]
[%- set columns = [] -%]
[%- for field in module.fields %][% set _ = columns.append(quoted(field.column) | string) %][% endfor -%]
-- [[ words | capitalize ]] of users.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE [[ table ]] (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users (id) ON DELETE CASCADE,
[%- for field in module.fields %]
[%- set column = quoted(field.column) %]
[%- set type = {"integer": "integer", "number": "double precision", "boolean": "boolean", "date": "date", "datetime": "timestamptz(3)", "uuid": "uuid", "json": "jsonb", "reference": "uuid"}.get(field.type, "text") %]
[%- set rule = {
  "string": "char_length(" ~ column ~ ") BETWEEN 1 AND 200",
  "text": "char_length(" ~ column ~ ") " ~ ("BETWEEN 1 AND 5000" if field.required else "<= 5000"),
  "email": "char_length(" ~ column ~ ") <= 254",
  "enum": column ~ " IN ('" ~ field["values"] | join("', '") ~ "')",
  "json": "jsonb_typeof(" ~ column ~ ") = 'object'",
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

ALTER TABLE [[ table ]] ENABLE ROW LEVEL SECURITY;
ALTER TABLE [[ table ]] FORCE ROW LEVEL SECURITY;
REVOKE ALL ON [[ table ]] FROM anon, authenticated;
GRANT SELECT[% if not module.softDelete %], DELETE[% endif %] ON [[ table ]] TO authenticated;
GRANT INSERT ([[ (["id", "user_id"] + columns) | join(", ") | wordwrap(110, wrapstring="\n  ") ]])
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
