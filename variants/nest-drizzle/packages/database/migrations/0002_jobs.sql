CREATE TYPE "public"."export_status" AS ENUM('waiting', 'done', 'failed');--> statement-breakpoint
CREATE TABLE "exports" (
  "tenant_id" uuid NOT NULL,
  "id" uuid NOT NULL,
  "project_id" uuid NOT NULL,
  "status" "export_status" NOT NULL,
  "content" json,
  "error" text,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  "updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "exports_pkey" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "exports" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "reminders" (
  "tenant_id" uuid NOT NULL,
  "task_id" uuid NOT NULL,
  "due_at" timestamp (3) with time zone NOT NULL,
  "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "reminders_pkey" PRIMARY KEY("tenant_id","task_id","due_at")
);
--> statement-breakpoint
ALTER TABLE "reminders" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "exports" ADD CONSTRAINT "exports_project_fkey" FOREIGN KEY ("tenant_id","project_id") REFERENCES "public"."projects"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reminders" ADD CONSTRAINT "reminders_task_fkey" FOREIGN KEY ("tenant_id","task_id") REFERENCES "public"."tasks"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "exports_project_idx" ON "exports" USING btree ("tenant_id","project_id");--> statement-breakpoint
CREATE POLICY "exports_select" ON "exports" AS PERMISSIVE FOR SELECT TO public USING ("exports"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "exports_insert" ON "exports" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("exports"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "exports_update" ON "exports" AS PERMISSIVE FOR UPDATE TO public USING ("exports"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("exports"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "exports_delete" ON "exports" AS PERMISSIVE FOR DELETE TO public USING ("exports"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "reminders_select" ON "reminders" AS PERMISSIVE FOR SELECT TO public USING ("reminders"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "reminders_insert" ON "reminders" AS PERMISSIVE FOR INSERT TO public WITH CHECK ("reminders"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "reminders_update" ON "reminders" AS PERMISSIVE FOR UPDATE TO public USING ("reminders"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)) WITH CHECK ("reminders"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "reminders_delete" ON "reminders" AS PERMISSIVE FOR DELETE TO public USING ("reminders"."tenant_id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));--> statement-breakpoint
ALTER TABLE "exports" FORCE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "reminders" FORCE ROW LEVEL SECURITY;
