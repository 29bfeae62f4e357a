import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateEventsAndTickets1795219200000 implements MigrationInterface {
  name = 'CreateEventsAndTickets1795219200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    // Half of each page stays free: while tickets sell, new versions of the row go there and no index is touched (HOT).
    await queryRunner.query(`
      CREATE TABLE "events" (
        "id" uuid NOT NULL,
        "name" text NOT NULL,
        "description" text NOT NULL DEFAULT '',
        "venue" text NOT NULL,
        "starts_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL,
        "capacity" integer NOT NULL,
        "sold" integer NOT NULL DEFAULT 0,
        "sold_out" boolean NOT NULL DEFAULT false,
        "price" integer NOT NULL,
        "currency" character(3) NOT NULL,
        "version" integer NOT NULL DEFAULT 1,
        "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(),
        "updated_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(),
        CONSTRAINT "PK_events" PRIMARY KEY ("id"),
        CONSTRAINT "CHK_events_sold" CHECK (sold >= 0 AND sold <= capacity),
        CONSTRAINT "CHK_events_sold_out" CHECK (sold_out = (sold = capacity)),
        CONSTRAINT "CHK_events_capacity" CHECK (capacity >= 1 AND capacity <= 1000000),
        CONSTRAINT "CHK_events_price" CHECK (price >= 0)
      ) WITH (fillfactor = 50)`);
    await queryRunner.query(`CREATE INDEX "IDX_events_starts_at" ON "events" ("starts_at", "id")`);
    await queryRunner.query(
      `CREATE INDEX "IDX_events_available" ON "events" ("starts_at", "id") WHERE NOT sold_out`,
    );
    await queryRunner.query(
      `CREATE INDEX "IDX_events_search" ON "events" USING gin (to_tsvector('simple', name || ' ' || venue))`,
    );
    await queryRunner.query(`
      CREATE TABLE "purchases" (
        "id" uuid NOT NULL,
        "event_id" uuid NOT NULL,
        "quantity" smallint NOT NULL,
        "total_price" integer NOT NULL,
        "currency" character(3) NOT NULL,
        "buyer_name" text NOT NULL,
        "buyer_email" text NOT NULL,
        "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(),
        CONSTRAINT "PK_purchases" PRIMARY KEY ("id"),
        CONSTRAINT "FK_purchases_event" FOREIGN KEY ("event_id") REFERENCES "events" ("id"),
        CONSTRAINT "CHK_purchases_quantity" CHECK (quantity >= 1 AND quantity <= 10)
      )`);
    await queryRunner.query(`CREATE INDEX "IDX_purchases_event" ON "purchases" ("event_id")`);
    await queryRunner.query(`
      CREATE TABLE "tickets" (
        "event_id" uuid NOT NULL,
        "number" integer NOT NULL,
        "purchase_id" uuid NOT NULL,
        CONSTRAINT "PK_tickets" PRIMARY KEY ("event_id", "number"),
        CONSTRAINT "FK_tickets_purchase" FOREIGN KEY ("purchase_id") REFERENCES "purchases" ("id")
      )`);
    await queryRunner.query(`CREATE INDEX "IDX_tickets_purchase" ON "tickets" ("purchase_id")`);
    await queryRunner.query(`
      CREATE TABLE "idempotency_keys" (
        "key" text NOT NULL,
        "fingerprint" bytea NOT NULL,
        "response" json NOT NULL,
        "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(),
        CONSTRAINT "PK_idempotency_keys" PRIMARY KEY ("key")
      )`);
    await queryRunner.query(
      `CREATE INDEX "IDX_idempotency_keys_created_at" ON "idempotency_keys" ("created_at")`,
    );
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: write a new one that undoes this one.');
  }
}
