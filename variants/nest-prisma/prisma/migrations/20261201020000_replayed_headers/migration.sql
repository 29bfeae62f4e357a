SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- AlterTable
ALTER TABLE "idempotency_keys" ADD COLUMN     "headers" JSONB NOT NULL DEFAULT '{}';
