-- Nothing waits for a lock without an end, and nothing runs for hours unnoticed. Every migration begins like this.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- The scope of the statement that runs: `SET LOCAL app.organization_id` and so on, which src/database/scope.ts names. After
-- the transaction a setting is '' and not NULL.
CREATE FUNCTION current_organization_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.organization_id', true), '')::uuid;
CREATE FUNCTION current_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.user_id', true), '')::uuid;

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "role" AS ENUM ('OWNER', 'ADMIN', 'MEMBER', 'VIEWER');

-- CreateEnum
CREATE TYPE "customer_status" AS ENUM ('ACTIVE', 'PAUSED');

-- CreateEnum
CREATE TYPE "tracking_kind" AS ENUM ('PAGE_VIEW', 'FORM_SUBMISSION', 'BUTTON_CLICK', 'PHONE_CALL', 'PURCHASE');

-- CreateEnum
CREATE TYPE "tracking_status" AS ENUM ('DRAFT', 'SETTING_UP', 'ACTIVE', 'PAUSED', 'FAILED');

-- CreateEnum
CREATE TYPE "connection_status" AS ENUM ('CONNECTED', 'RECONNECT_REQUIRED', 'DISCONNECTED');

-- CreateEnum
CREATE TYPE "sync_status" AS ENUM ('RUNNING', 'SUCCEEDED', 'FAILED');

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "firebase_uid" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "organizations" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,

    CONSTRAINT "organizations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "memberships" (
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "user_id" UUID NOT NULL,
    "role" "role" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,

    CONSTRAINT "memberships_pkey" PRIMARY KEY ("organization_id","user_id")
);

-- CreateTable
CREATE TABLE "invitations" (
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "email" TEXT NOT NULL,
    "role" "role" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,

    CONSTRAINT "invitations_pkey" PRIMARY KEY ("organization_id","email")
);

-- CreateTable
CREATE TABLE "customers" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "name" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "website_url" TEXT,
    "status" "customer_status" NOT NULL DEFAULT 'ACTIVE',
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "customers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "trackings" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "customer_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "kind" "tracking_kind" NOT NULL,
    "selector" TEXT,
    "status" "tracking_status" NOT NULL DEFAULT 'DRAFT',
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "trackings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "google_connections" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "google_email" TEXT NOT NULL,
    "scopes" TEXT[],
    "status" "connection_status" NOT NULL DEFAULT 'CONNECTED',
    "access_token" TEXT,
    "refresh_token" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "google_connections_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sync_runs" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "connection_id" UUID NOT NULL,
    "status" "sync_status" NOT NULL DEFAULT 'RUNNING',
    "items_synced" INTEGER NOT NULL DEFAULT 0,
    "cursor" TEXT,
    "failure" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "sync_runs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_log" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "action" TEXT NOT NULL,
    "entity_id" UUID NOT NULL,
    "changes" JSONB NOT NULL,
    "request_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" UUID,

    CONSTRAINT "audit_log_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "key" TEXT NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "status" SMALLINT NOT NULL,
    "response" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("organization_id","key")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_firebase_uid_key" ON "users"("firebase_uid");

-- CreateIndex
CREATE INDEX "memberships_user_id_idx" ON "memberships"("user_id");

-- CreateIndex
CREATE INDEX "invitations_email_idx" ON "invitations"("email");

-- CreateIndex
CREATE INDEX "customers_organization_id_created_at_id_idx" ON "customers"("organization_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "customers_organization_id_updated_at_id_idx" ON "customers"("organization_id", "updated_at", "id");

-- CreateIndex
CREATE INDEX "customers_organization_id_name_id_idx" ON "customers"("organization_id", "name", "id");

-- CreateIndex
CREATE UNIQUE INDEX "customers_organization_id_id_key" ON "customers"("organization_id", "id");

-- CreateIndex
CREATE INDEX "trackings_organization_id_customer_id_created_at_id_idx" ON "trackings"("organization_id", "customer_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "trackings_organization_id_created_at_id_idx" ON "trackings"("organization_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "trackings_organization_id_updated_at_id_idx" ON "trackings"("organization_id", "updated_at", "id");

-- CreateIndex
CREATE INDEX "trackings_organization_id_name_id_idx" ON "trackings"("organization_id", "name", "id");

-- CreateIndex
CREATE UNIQUE INDEX "trackings_organization_id_id_key" ON "trackings"("organization_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "google_connections_organization_id_id_key" ON "google_connections"("organization_id", "id");

-- CreateIndex
CREATE INDEX "sync_runs_organization_id_connection_id_created_at_idx" ON "sync_runs"("organization_id", "connection_id", "created_at");

-- CreateIndex
CREATE INDEX "sync_runs_organization_id_created_at_id_idx" ON "sync_runs"("organization_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "sync_runs_organization_id_id_key" ON "sync_runs"("organization_id", "id");

-- CreateIndex
CREATE INDEX "audit_log_organization_id_created_at_id_idx" ON "audit_log"("organization_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "audit_log_organization_id_entity_id_created_at_id_idx" ON "audit_log"("organization_id", "entity_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "idempotency_keys_organization_id_created_at_idx" ON "idempotency_keys"("organization_id", "created_at");

-- AddForeignKey
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "customers" ADD CONSTRAINT "customers_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trackings" ADD CONSTRAINT "trackings_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trackings" ADD CONSTRAINT "trackings_organization_id_customer_id_fkey" FOREIGN KEY ("organization_id", "customer_id") REFERENCES "customers"("organization_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "google_connections" ADD CONSTRAINT "google_connections_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sync_runs" ADD CONSTRAINT "sync_runs_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sync_runs" ADD CONSTRAINT "sync_runs_organization_id_connection_id_fkey" FOREIGN KEY ("organization_id", "connection_id") REFERENCES "google_connections"("organization_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "audit_log" ADD CONSTRAINT "audit_log_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What is soft-deleted gives its unique values free. Prisma's schema has no word for partial indexes.
CREATE UNIQUE INDEX "customers_organization_id_email_key" ON "customers"("organization_id", "email")
    WHERE "deleted_at" IS NULL;
CREATE UNIQUE INDEX "trackings_organization_id_customer_id_name_key" ON "trackings"("organization_id", "customer_id", "name")
    WHERE "deleted_at" IS NULL;
CREATE UNIQUE INDEX "google_connections_organization_id_google_email_key" ON "google_connections"("organization_id", "google_email")
    WHERE "deleted_at" IS NULL;

-- Analytics counts trackings by their time from this index alone.
CREATE INDEX "trackings_organization_id_created_at_kind_idx" ON "trackings"("organization_id", "created_at") INCLUDE ("customer_id", "kind")
    WHERE "deleted_at" IS NULL;

-- Of two syncs that are asked for at the same moment, one is begun; and what the worker looks for in all organizations.
CREATE UNIQUE INDEX "sync_runs_unfinished_key" ON "sync_runs"("organization_id", "connection_id")
    WHERE "status" = 'RUNNING';
CREATE INDEX "sync_runs_unfinished_idx" ON "sync_runs"("updated_at") WHERE "status" = 'RUNNING';

-- Row-level security: the second wall, behind the filters of src/database/isolation.ts. FORCE, so that it holds for the
-- owner of a table, and for what runs with the owner's rights, as well.
ALTER TABLE "users" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "organizations" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "memberships" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "invitations" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "customers" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "trackings" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "google_connections" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "sync_runs" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "audit_log" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "idempotency_keys" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY "memberships_of_organization" ON "memberships" USING ("organization_id" = current_organization_id());
CREATE POLICY "invitations_of_organization" ON "invitations" USING ("organization_id" = current_organization_id());
CREATE POLICY "customers_of_organization" ON "customers" USING ("organization_id" = current_organization_id());
CREATE POLICY "trackings_of_organization" ON "trackings" USING ("organization_id" = current_organization_id());
CREATE POLICY "google_connections_of_organization" ON "google_connections" USING ("organization_id" = current_organization_id());
CREATE POLICY "sync_runs_of_organization" ON "sync_runs" USING ("organization_id" = current_organization_id());
CREATE POLICY "audit_log_of_organization" ON "audit_log" USING ("organization_id" = current_organization_id());
CREATE POLICY "idempotency_keys_of_organization" ON "idempotency_keys" USING ("organization_id" = current_organization_id());

-- A person sees what they are a member of, and what they are invited to, before it is known for which organization they act.
CREATE POLICY "memberships_of_user" ON "memberships" FOR SELECT USING ("user_id" = current_user_id());
CREATE POLICY "invitations_of_user" ON "invitations" FOR SELECT
    USING ("email" = nullif(current_setting('app.verified_email', true), ''));
CREATE POLICY "organizations_of_scope" ON "organizations" USING ("id" = current_organization_id());
CREATE POLICY "organizations_of_user" ON "organizations" FOR SELECT
    USING (EXISTS (SELECT FROM "memberships" WHERE "organization_id" = "organizations"."id" AND "user_id" = current_user_id()));
CREATE POLICY "users_of_identity" ON "users"
    USING ("firebase_uid" = nullif(current_setting('app.firebase_uid', true), ''));
CREATE POLICY "users_of_organization" ON "users" FOR SELECT
    USING (EXISTS (SELECT FROM "memberships"
                    WHERE "organization_id" = current_organization_id() AND "user_id" = "users"."id"));
