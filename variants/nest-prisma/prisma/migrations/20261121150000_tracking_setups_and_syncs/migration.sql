-- Set-ups of trackings, what a sync finds at Google, and jobs that have failed for good.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- CreateEnum
CREATE TYPE "setup_status" AS ENUM ('PENDING', 'RUNNING', 'COMPENSATING', 'SUCCEEDED', 'FAILED');

-- CreateEnum
CREATE TYPE "setup_step" AS ENUM ('CONTAINER', 'CONVERSION_ACTION', 'TAG', 'PUBLISH');

-- CreateEnum
CREATE TYPE "step_state" AS ENUM ('PENDING', 'RUNNING', 'DONE', 'UNDONE');

-- CreateEnum
CREATE TYPE "google_resource_kind" AS ENUM ('TAG_MANAGER_CONTAINER', 'ADS_CUSTOMER');

-- CreateTable
CREATE TABLE "tracking_setups" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "tracking_id" UUID NOT NULL,
    "connection_id" UUID NOT NULL,
    "tag_manager_account_id" TEXT,
    "ads_customer_id" TEXT,
    "status" "setup_status" NOT NULL DEFAULT 'PENDING',
    "attempt" INTEGER NOT NULL DEFAULT 1,
    "failed_step" "setup_step",
    "failure" TEXT,
    "retry_at" TIMESTAMPTZ(3),
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "tracking_setups_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tracking_setup_steps" (
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "setup_id" UUID NOT NULL,
    "step" "setup_step" NOT NULL,
    "state" "step_state" NOT NULL DEFAULT 'PENDING',
    "resources" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,

    CONSTRAINT "tracking_setup_steps_pkey" PRIMARY KEY ("organization_id","setup_id","step")
);

-- CreateTable
CREATE TABLE "google_resources" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "connection_id" UUID NOT NULL,
    "kind" "google_resource_kind" NOT NULL,
    "path" TEXT NOT NULL,
    "parent" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "public_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,
    "removed_at" TIMESTAMPTZ(3),

    CONSTRAINT "google_resources_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "dead_letters" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL DEFAULT current_organization_id(),
    "queue" TEXT NOT NULL,
    "job" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "subject_id" UUID NOT NULL,
    "failure" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" UUID,
    "requeued_at" TIMESTAMPTZ(3),

    CONSTRAINT "dead_letters_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "tracking_setups_organization_id_tracking_id_created_at_idx" ON "tracking_setups"("organization_id", "tracking_id", "created_at");

-- CreateIndex
CREATE INDEX "tracking_setups_organization_id_created_at_id_idx" ON "tracking_setups"("organization_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "tracking_setups_organization_id_id_key" ON "tracking_setups"("organization_id", "id");

-- CreateIndex
CREATE INDEX "google_resources_organization_id_created_at_id_idx" ON "google_resources"("organization_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "google_resources_organization_id_connection_id_path_key" ON "google_resources"("organization_id", "connection_id", "path");

-- CreateIndex
CREATE INDEX "dead_letters_organization_id_created_at_id_idx" ON "dead_letters"("organization_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "dead_letters_organization_id_queue_job_id_key" ON "dead_letters"("organization_id", "queue", "job_id");

-- AddForeignKey
ALTER TABLE "tracking_setups" ADD CONSTRAINT "tracking_setups_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tracking_setups" ADD CONSTRAINT "tracking_setups_organization_id_tracking_id_fkey" FOREIGN KEY ("organization_id", "tracking_id") REFERENCES "trackings"("organization_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tracking_setups" ADD CONSTRAINT "tracking_setups_organization_id_connection_id_fkey" FOREIGN KEY ("organization_id", "connection_id") REFERENCES "google_connections"("organization_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tracking_setup_steps" ADD CONSTRAINT "tracking_setup_steps_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tracking_setup_steps" ADD CONSTRAINT "tracking_setup_steps_organization_id_setup_id_fkey" FOREIGN KEY ("organization_id", "setup_id") REFERENCES "tracking_setups"("organization_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "google_resources" ADD CONSTRAINT "google_resources_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "google_resources" ADD CONSTRAINT "google_resources_organization_id_connection_id_fkey" FOREIGN KEY ("organization_id", "connection_id") REFERENCES "google_connections"("organization_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "dead_letters" ADD CONSTRAINT "dead_letters_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Of two that are asked for at the same moment, one is begun. Prisma's schema has no word for partial indexes.
CREATE UNIQUE INDEX "tracking_setups_unfinished_key" ON "tracking_setups"("organization_id", "tracking_id")
    WHERE "status" IN ('PENDING', 'RUNNING', 'COMPENSATING');

-- What the worker looks for in all organizations, some times a minute.
CREATE INDEX "tracking_setups_unfinished_idx" ON "tracking_setups"("updated_at")
    WHERE "status" IN ('PENDING', 'RUNNING', 'COMPENSATING');

ALTER TABLE "tracking_setups" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "tracking_setup_steps" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "google_resources" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE "dead_letters" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY "tracking_setups_of_organization" ON "tracking_setups" USING ("organization_id" = current_organization_id());
CREATE POLICY "tracking_setup_steps_of_organization" ON "tracking_setup_steps" USING ("organization_id" = current_organization_id());
CREATE POLICY "google_resources_of_organization" ON "google_resources" USING ("organization_id" = current_organization_id());
CREATE POLICY "dead_letters_of_organization" ON "dead_letters" USING ("organization_id" = current_organization_id());

-- The worker that looks for work without a job acts for no organization: it may read what is not finished, and no more.
CREATE POLICY "tracking_setups_of_redelivery" ON "tracking_setups" FOR SELECT
    USING (current_setting('app.redelivery', true) = 'on' AND "status" IN ('PENDING', 'RUNNING', 'COMPENSATING'));
CREATE POLICY "sync_runs_of_redelivery" ON "sync_runs" FOR SELECT
    USING (current_setting('app.redelivery', true) = 'on' AND "status" = 'RUNNING');
CREATE POLICY "google_connections_of_redelivery" ON "google_connections" FOR SELECT
    USING (current_setting('app.redelivery', true) = 'on' AND "status" = 'CONNECTED' AND "deleted_at" IS NULL);
