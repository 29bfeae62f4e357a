ALTER TABLE "idempotency_keys" ADD COLUMN "headers" jsonb DEFAULT '{}'::jsonb NOT NULL;
