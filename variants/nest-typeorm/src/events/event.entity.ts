import {
  Check,
  Column,
  CreateDateColumn,
  Entity,
  Index,
  PrimaryColumn,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm';

/**
 * Something that tickets are sold for.
 *
 * The row is hot while its tickets sell: `sold` changes with every group of purchases. No index covers
 * it, so PostgreSQL updates the row in place of its page (HOT); the migration leaves room there by a fillfactor.
 */
@Entity('events')
@Check('CHK_events_sold', 'sold >= 0 AND sold <= capacity')
@Check('CHK_events_sold_out', 'sold_out = (sold = capacity)')
@Check('CHK_events_capacity', 'capacity >= 1 AND capacity <= 1000000')
@Check('CHK_events_price', 'price >= 0')
@Index('IDX_events_starts_at', ['startsAt', 'id'])
@Index('IDX_events_available', ['startsAt', 'id'], { where: 'NOT sold_out' })
// Full-text search over name and venue: an expression index, which only the migration can state.
@Index('IDX_events_search', { synchronize: false })
export class Event {
  /** UUIDv7, made by the service. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'PK_events' })
  id!: string;

  @Column('text')
  name!: string;

  @Column('text', { default: '' })
  description!: string;

  @Column('text')
  venue!: string;

  @Column({ name: 'starts_at', type: 'timestamptz', precision: 3 })
  startsAt!: Date;

  /** How many tickets there are, 1 to 1,000,000. */
  @Column('integer')
  capacity!: number;

  /** How many are sold; ticket numbers run from 1 to this. */
  @Column('integer', { default: 0 })
  sold!: number;

  /** `sold = capacity`, kept as a column so that the index on available events does not depend on `sold`. */
  @Column('boolean', { name: 'sold_out', default: false })
  soldOut!: boolean;

  /** The price of one ticket in minor units of `currency` (cents, say). */
  @Column('integer')
  price!: number;

  /** ISO 4217. */
  @Column('character', { length: 3 })
  currency!: string;

  /** For optimistic locking. Every edit raises it, and no sale. */
  @VersionColumn({ type: 'integer', default: 1 })
  version!: number;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  updatedAt!: Date;
}
