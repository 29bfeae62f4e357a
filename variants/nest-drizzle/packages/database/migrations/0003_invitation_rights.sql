ALTER TABLE "invitations" ADD COLUMN "invited_by" uuid;--> statement-breakpoint
-- NOT VALID saves a scan under a lock: the column is new, so no row has a value to check.
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_invited_by_fkey" FOREIGN KEY ("tenant_id","invited_by") REFERENCES "public"."memberships"("tenant_id","user_id") ON DELETE cascade ON UPDATE no action NOT VALID;--> statement-breakpoint
CREATE INDEX "invitations_created_at_idx" ON "invitations" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "invitations_invited_by_idx" ON "invitations" USING btree ("tenant_id","invited_by");--> statement-breakpoint
ALTER POLICY "tenants_select" ON "tenants" TO public USING ("tenants"."id" = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid) OR "tenants"."id" IN (SELECT tenant_id FROM memberships WHERE user_id = (SELECT nullif(current_setting('app.user_id', true), '')::uuid)));
