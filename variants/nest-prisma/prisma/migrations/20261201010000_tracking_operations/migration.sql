-- Changes and deletions of trackings that are set up at Google are jobs, as setups are.
SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- Transactions of the service lock these tables in different orders. So none of them is held while another one is waited for.
DO $$
BEGIN
    FOR attempt IN 1..600 LOOP
        BEGIN
            LOCK TABLE "trackings", "tracking_setups", "tracking_setup_steps" IN ACCESS EXCLUSIVE MODE NOWAIT;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.05);
        END;
    END LOOP;
    RAISE lock_not_available USING MESSAGE = 'trackings and their setups were in use for 30 s: migrate again when there is less load';
END $$;

-- CreateEnum
CREATE TYPE "tracking_operation" AS ENUM ('SETUP', 'UPDATE', 'DELETE');

-- AlterTable
ALTER TABLE "tracking_setups" ADD COLUMN     "changes" JSONB,
ADD COLUMN     "operation" "tracking_operation" NOT NULL DEFAULT 'SETUP';

-- Until now clients could write ACTIVE and PAUSED without Google. What a setup has done is what Google has: its tag fires.
-- The owner sees rows of all organizations for these statements only; the service's role stays under its policies.
ALTER TABLE "trackings" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "tracking_setups" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "tracking_setup_steps" NO FORCE ROW LEVEL SECURITY;

UPDATE "trackings" SET "status" = "confirmed"."status", "version" = "version" + 1, "updated_at" = now()
  FROM (
    SELECT DISTINCT ON (t."organization_id", t."id") t."organization_id", t."id",
           CASE WHEN s."status" = 'SUCCEEDED' THEN 'ACTIVE'
                WHEN s."status" = 'FAILED' THEN 'FAILED'
                WHEN s."status" IS NOT NULL THEN 'SETTING_UP'
                ELSE 'DRAFT' END::"tracking_status" AS "status"
      FROM "trackings" t
      LEFT JOIN "tracking_setups" s ON s."organization_id" = t."organization_id" AND s."tracking_id" = t."id"
     ORDER BY t."organization_id", t."id", s."status" = 'SUCCEEDED' DESC NULLS LAST, s."created_at" DESC NULLS LAST
  ) AS "confirmed"
 WHERE "trackings"."organization_id" = "confirmed"."organization_id" AND "trackings"."id" = "confirmed"."id"
   AND "trackings"."status" <> "confirmed"."status";

-- A setup that succeeded has brought in line what failed ones had left.
UPDATE "tracking_setup_steps" SET "state" = 'UNDONE', "updated_at" = now()
  FROM "tracking_setups" AS "failed"
 WHERE "failed"."organization_id" = "tracking_setup_steps"."organization_id" AND "failed"."id" = "tracking_setup_steps"."setup_id"
   AND "failed"."status" = 'FAILED' AND "tracking_setup_steps"."state" IN ('DONE', 'RUNNING')
   AND EXISTS (SELECT FROM "tracking_setups" AS "later"
                WHERE "later"."organization_id" = "failed"."organization_id" AND "later"."tracking_id" = "failed"."tracking_id"
                  AND "later"."status" = 'SUCCEEDED' AND "later"."finished_at" > "failed"."finished_at");

ALTER TABLE "tracking_setup_steps" FORCE ROW LEVEL SECURITY;
ALTER TABLE "tracking_setups" FORCE ROW LEVEL SECURITY;
ALTER TABLE "trackings" FORCE ROW LEVEL SECURITY;
