import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A ticket's purchase is one of the ticket's event: the foreign key has both columns, and replaces the one to the purchase.
 * It costs a sale nothing, since each ticket is checked once as before.
 */
export class TieTicketsToEvents1796083200000 implements MigrationInterface {
  name = 'TieTicketsToEvents1796083200000';

  /** The index is built, and the rows are checked, while tickets sell. */
  transaction = false;

  /** It begins with the removal of what an attempt that failed has left. */
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "tickets" DROP CONSTRAINT IF EXISTS "FK_tickets_event_purchase"`);
    await queryRunner.query(`ALTER TABLE "purchases" DROP CONSTRAINT IF EXISTS "UQ_purchases_event_id"`);
    await queryRunner.query(`DROP INDEX CONCURRENTLY IF EXISTS "UQ_purchases_event_id"`);
    await queryRunner.query(
      `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "UQ_purchases_event_id" ON "purchases" ("event_id", "id")`,
    );
    await queryRunner.query(
      `ALTER TABLE "purchases" ADD CONSTRAINT "UQ_purchases_event_id" UNIQUE USING INDEX "UQ_purchases_event_id"`,
    );
    await queryRunner.query(`
      ALTER TABLE "tickets" ADD CONSTRAINT "FK_tickets_event_purchase"
        FOREIGN KEY ("event_id", "purchase_id") REFERENCES "purchases" ("event_id", "id") NOT VALID`);
    await queryRunner.query(`ALTER TABLE "tickets" VALIDATE CONSTRAINT "FK_tickets_event_purchase"`);
    await queryRunner.query(`ALTER TABLE "tickets" DROP CONSTRAINT IF EXISTS "FK_tickets_purchase"`);
    await queryRunner.query(`DROP INDEX CONCURRENTLY IF EXISTS "IDX_purchases_event"`);
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: write a new one that undoes this one.');
  }
}
