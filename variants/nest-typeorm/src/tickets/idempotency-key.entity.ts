import { Column, CreateDateColumn, Entity, Index, PrimaryColumn } from 'typeorm';

/** The answer to a purchase that named an `Idempotency-Key`, written in the purchase's own transaction. */
@Entity('idempotency_keys')
@Index('IDX_idempotency_keys_created_at', ['createdAt'])
export class IdempotencyKey {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'PK_idempotency_keys' })
  key!: string;

  /** SHA-256 of what was asked; the same key with another request is refused. */
  @Column('bytea')
  fingerprint!: Buffer;

  /** `json` and not `jsonb`: a replay is the first answer to the byte. */
  @Column('json')
  response!: unknown;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
