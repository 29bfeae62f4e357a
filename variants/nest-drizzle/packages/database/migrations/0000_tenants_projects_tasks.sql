CREATE TYPE "public"."role" AS ENUM('owner', 'admin', 'member');--> statement-breakpoint
CREATE TYPE "public"."task_status" AS ENUM('open', 'in_progress', 'done');--> statement-breakpoint
CREATE TYPE "public"."task_type" AS ENUM('feature', 'bug', 'chore');--> statement-breakpoint
CREATE TABLE "invitations" (
  "tenant_id" uuid NOT NULL,
  "id" uuid NOT NULL,
  "email" text NOT NULL,
  "role" "role" NOT NULL,
  "hash" "bytea" NOT NULL,
  "expires_at" timestamp (3) with time zone NOT NULL,
  "accepted_at" timestamp (3) with time zone,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "invitations_pkey" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "invitations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "memberships" (
  "tenant_id" uuid NOT NULL,
  "user_id" uuid NOT NULL,
  "role" "role" NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "memberships_pkey" PRIMARY KEY("tenant_id","user_id")
);
--> statement-breakpoint
ALTER TABLE "memberships" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "passwords" (
  "user_id" uuid PRIMARY KEY NOT NULL,
  "hash" text NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "passwords" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "rate_limits" (
  "key" text PRIMARY KEY NOT NULL,
  "points" integer DEFAULT 0 NOT NULL,
  "expire" bigint
);
--> statement-breakpoint
ALTER TABLE "rate_limits" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
  "tenant_id" uuid NOT NULL,
  "id" uuid NOT NULL,
  "user_id" uuid NOT NULL,
  "family_id" uuid NOT NULL,
  "hash" "bytea" NOT NULL,
  "expires_at" timestamp (3) with time zone NOT NULL,
  "used_at" timestamp (3) with time zone,
  "revoked_at" timestamp (3) with time zone,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "refresh_tokens_pkey" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "refresh_tokens" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "tenants" (
  "id" uuid PRIMARY KEY NOT NULL,
  "name" text NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "tenants" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "users" (
  "id" uuid PRIMARY KEY NOT NULL,
  "email" text NOT NULL,
  "name" text NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "users" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
  "tenant_id" uuid NOT NULL,
  "key" text NOT NULL,
  "fingerprint" "bytea" NOT NULL,
  "response" json NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY("tenant_id","key")
);
--> statement-breakpoint
ALTER TABLE "idempotency_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "inbox" (
  "tenant_id" uuid NOT NULL,
  "consumer" text NOT NULL,
  "event_id" uuid NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "inbox_pkey" PRIMARY KEY("tenant_id","consumer","event_id")
);
--> statement-breakpoint
ALTER TABLE "inbox" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "outbox" (
  "tenant_id" uuid NOT NULL,
  "id" uuid NOT NULL,
  "subject" text NOT NULL,
  "event" json NOT NULL,
  "attempts" integer DEFAULT 0 NOT NULL,
  "failure" text,
  "retry_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "outbox_pkey" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "outbox" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "project_stats" (
  "tenant_id" uuid NOT NULL,
  "project_id" uuid NOT NULL,
  "tasks_created" integer DEFAULT 0 NOT NULL,
  "tasks_deleted" integer DEFAULT 0 NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "project_stats_pkey" PRIMARY KEY("tenant_id","project_id")
);
--> statement-breakpoint
ALTER TABLE "project_stats" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "projects" (
  "tenant_id" uuid NOT NULL,
  "id" uuid NOT NULL,
  "name" text NOT NULL,
  "description" text DEFAULT '' NOT NULL,
  "version" integer DEFAULT 1 NOT NULL,
  "deleted_at" timestamp (3) with time zone,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "projects_pkey" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "projects" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "tasks" (
  "tenant_id" uuid NOT NULL,
  "id" uuid NOT NULL,
  "project_id" uuid NOT NULL,
  "title" text NOT NULL,
  "type" "task_type" NOT NULL,
  "status" "task_status" NOT NULL,
  "assignee_id" uuid,
  "due_at" timestamp (3) with time zone,
  "metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
  "version" integer DEFAULT 1 NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "tasks_pkey" PRIMARY KEY("tenant_id","id"),
  CONSTRAINT "tasks_metadata_is_object" CHECK (jsonb_typeof(metadata) = 'object')
);
--> statement-breakpoint
ALTER TABLE "tasks" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "passwords" ADD CONSTRAINT "passwords_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_membership_fkey" FOREIGN KEY ("tenant_id","user_id") REFERENCES "public"."memberships"("tenant_id","user_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "project_stats" ADD CONSTRAINT "project_stats_project_fkey" FOREIGN KEY ("tenant_id","project_id") REFERENCES "public"."projects"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "projects" ADD CONSTRAINT "projects_tenant_fkey" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_project_fkey" FOREIGN KEY ("tenant_id","project_id") REFERENCES "public"."projects"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_assignee_fkey" FOREIGN KEY ("tenant_id","assignee_id") REFERENCES "public"."memberships"("tenant_id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "invitations_hash_key" ON "invitations" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "memberships_user_id_idx" ON "memberships" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "refresh_tokens_hash_key" ON "refresh_tokens" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "refresh_tokens_family_idx" ON "refresh_tokens" USING btree ("tenant_id","family_id");--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_key" ON "users" USING btree ("email");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "outbox_id_idx" ON "outbox" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "projects_name_key" ON "projects" USING btree ("tenant_id","name") WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX "projects_created_at_idx" ON "projects" USING btree ("tenant_id","created_at","id") WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX "tasks_created_at_idx" ON "tasks" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "tasks_project_idx" ON "tasks" USING btree ("tenant_id","project_id","created_at","id");--> statement-breakpoint
CREATE INDEX "tasks_assignee_idx" ON "tasks" USING btree ("tenant_id","assignee_id","created_at","id");--> statement-breakpoint
CREATE POLICY "invitations_select" ON "invitations" AS PERMISSIVE FOR SELECT TO public USING ("invitations"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid) OR "invitations"."hash" = (SELECT decode(nullif(current_setting('app.invitation_hash', true), ''), 'hex')));--> statement-breakpoint
CREATE POLICY "invitations_insert" ON "invitations" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("invitations"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "invitations_update" ON "invitations" AS PERMISSIVE FOR UPDATE TO public USING ("invitations"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("invitations"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "invitations_delete" ON "invitations" AS PERMISSIVE FOR DELETE TO public USING ("invitations"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "memberships_select" ON "memberships" AS PERMISSIVE FOR SELECT TO public USING ("memberships"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid) OR "memberships"."user_id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "memberships_insert" ON "memberships" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("memberships"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "memberships_update" ON "memberships" AS PERMISSIVE FOR UPDATE TO public USING ("memberships"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("memberships"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "memberships_delete" ON "memberships" AS PERMISSIVE FOR DELETE TO public USING ("memberships"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "passwords_select" ON "passwords" AS PERMISSIVE FOR SELECT TO public USING ("passwords"."user_id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid) OR "passwords"."user_id" IN (SELECT id FROM users WHERE email = (SELECT nullif(current_setting('app.login_email', true), ''))));--> statement-breakpoint
CREATE POLICY "passwords_insert" ON "passwords" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("passwords"."user_id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "passwords_update" ON "passwords" AS PERMISSIVE FOR UPDATE TO public USING ("passwords"."user_id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid)) WITH CHECK ("passwords"."user_id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "rate_limits_all" ON "rate_limits" AS PERMISSIVE FOR ALL TO public USING (true) WITH CHECK (true);--> statement-breakpoint
CREATE POLICY "refresh_tokens_select" ON "refresh_tokens" AS PERMISSIVE FOR SELECT TO public USING ("refresh_tokens"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid) OR "refresh_tokens"."hash" = (SELECT decode(nullif(current_setting('app.refresh_hash', true), ''), 'hex')));--> statement-breakpoint
CREATE POLICY "refresh_tokens_insert" ON "refresh_tokens" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("refresh_tokens"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "refresh_tokens_update" ON "refresh_tokens" AS PERMISSIVE FOR UPDATE TO public USING ("refresh_tokens"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("refresh_tokens"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "refresh_tokens_delete" ON "refresh_tokens" AS PERMISSIVE FOR DELETE TO public USING ("refresh_tokens"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tenants_select" ON "tenants" AS PERMISSIVE FOR SELECT TO public USING ("tenants"."id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tenants_insert" ON "tenants" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("tenants"."id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tenants_update" ON "tenants" AS PERMISSIVE FOR UPDATE TO public USING ("tenants"."id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("tenants"."id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "users_select" ON "users" AS PERMISSIVE FOR SELECT TO public USING ("users"."id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid) OR "users"."email" = (SELECT nullif(current_setting('app.login_email', true), ''))
        OR "users"."id" IN (SELECT user_id FROM memberships WHERE tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)));--> statement-breakpoint
CREATE POLICY "users_insert" ON "users" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("users"."id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "users_update" ON "users" AS PERMISSIVE FOR UPDATE TO public USING ("users"."id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid)) WITH CHECK ("users"."id" = (SELECT nullif(current_setting('app.user_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "idempotency_keys_select" ON "idempotency_keys" AS PERMISSIVE FOR SELECT TO public USING ("idempotency_keys"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "idempotency_keys_insert" ON "idempotency_keys" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("idempotency_keys"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "idempotency_keys_update" ON "idempotency_keys" AS PERMISSIVE FOR UPDATE TO public USING ("idempotency_keys"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("idempotency_keys"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "idempotency_keys_delete" ON "idempotency_keys" AS PERMISSIVE FOR DELETE TO public USING ("idempotency_keys"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "idempotency_keys_expiry_select" ON "idempotency_keys" AS PERMISSIVE FOR SELECT TO public USING ("idempotency_keys"."created_at" < (SELECT nullif(current_setting('app.expired_before', true), '')::timestamptz));--> statement-breakpoint
CREATE POLICY "idempotency_keys_expiry_delete" ON "idempotency_keys" AS PERMISSIVE FOR DELETE TO public USING ("idempotency_keys"."created_at" < (SELECT nullif(current_setting('app.expired_before', true), '')::timestamptz));--> statement-breakpoint
CREATE POLICY "inbox_select" ON "inbox" AS PERMISSIVE FOR SELECT TO public USING ("inbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "inbox_insert" ON "inbox" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("inbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "inbox_update" ON "inbox" AS PERMISSIVE FOR UPDATE TO public USING ("inbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("inbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "inbox_delete" ON "inbox" AS PERMISSIVE FOR DELETE TO public USING ("inbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "inbox_expiry_select" ON "inbox" AS PERMISSIVE FOR SELECT TO public USING ("inbox"."created_at" < (SELECT nullif(current_setting('app.expired_before', true), '')::timestamptz));--> statement-breakpoint
CREATE POLICY "inbox_expiry_delete" ON "inbox" AS PERMISSIVE FOR DELETE TO public USING ("inbox"."created_at" < (SELECT nullif(current_setting('app.expired_before', true), '')::timestamptz));--> statement-breakpoint
CREATE POLICY "outbox_select" ON "outbox" AS PERMISSIVE FOR SELECT TO public USING ("outbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid) OR (SELECT current_setting('app.relay', true) = 'on'));--> statement-breakpoint
CREATE POLICY "outbox_insert" ON "outbox" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("outbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "outbox_update" ON "outbox" AS PERMISSIVE FOR UPDATE TO public USING ("outbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("outbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "outbox_delete" ON "outbox" AS PERMISSIVE FOR DELETE TO public USING ("outbox"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "outbox_relay_update" ON "outbox" AS PERMISSIVE FOR UPDATE TO public USING ((SELECT current_setting('app.relay', true) = 'on')) WITH CHECK ((SELECT current_setting('app.relay', true) = 'on'));--> statement-breakpoint
CREATE POLICY "outbox_relay_delete" ON "outbox" AS PERMISSIVE FOR DELETE TO public USING ((SELECT current_setting('app.relay', true) = 'on'));--> statement-breakpoint
CREATE POLICY "project_stats_select" ON "project_stats" AS PERMISSIVE FOR SELECT TO public USING ("project_stats"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "project_stats_insert" ON "project_stats" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("project_stats"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "project_stats_update" ON "project_stats" AS PERMISSIVE FOR UPDATE TO public USING ("project_stats"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("project_stats"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "project_stats_delete" ON "project_stats" AS PERMISSIVE FOR DELETE TO public USING ("project_stats"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "projects_select" ON "projects" AS PERMISSIVE FOR SELECT TO public USING ("projects"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "projects_insert" ON "projects" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("projects"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "projects_update" ON "projects" AS PERMISSIVE FOR UPDATE TO public USING ("projects"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("projects"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "projects_delete" ON "projects" AS PERMISSIVE FOR DELETE TO public USING ("projects"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tasks_select" ON "tasks" AS PERMISSIVE FOR SELECT TO public USING ("tasks"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tasks_insert" ON "tasks" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("tasks"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tasks_update" ON "tasks" AS PERMISSIVE FOR UPDATE TO public USING ("tasks"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("tasks"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tasks_delete" ON "tasks" AS PERMISSIVE FOR DELETE TO public USING ("tasks"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
