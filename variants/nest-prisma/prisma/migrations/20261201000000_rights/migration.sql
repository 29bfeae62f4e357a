-- Invitations that are accepted explicitly, and renewals of access tokens that hold no lock while Google is asked.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- AlterTable
ALTER TABLE "google_connections" ADD COLUMN     "renewal_ends_at" TIMESTAMPTZ(3),
ADD COLUMN     "renewal_id" UUID;

-- A person sees the name of an organization that invites them.
CREATE POLICY "organizations_of_invited" ON "organizations" FOR SELECT
    USING (EXISTS (SELECT FROM "invitations"
                    WHERE "organization_id" = "organizations"."id"
                      AND "email" = nullif(current_setting('app.verified_email', true), '')));
