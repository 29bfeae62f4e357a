import {
  Check,
  Column,
  CreateDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  type Relation,
  Unique,
} from 'typeorm';
import { Event } from '../events/event.entity.js';

/** A sale of one to ten tickets. The buyer's data is stored and never read back over HTTP: there is no authentication. */
@Entity('purchases')
@Check('CHK_purchases_quantity', 'quantity >= 1 AND quantity <= 10')
@Unique('UQ_purchases_event_id', ['eventId', 'id'])
export class Purchase {
  /** UUIDv7, made by the service. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'PK_purchases' })
  id!: string;

  @Column('uuid', { name: 'event_id' })
  eventId!: string;

  @ManyToOne(() => Event, { nullable: false })
  @JoinColumn({ name: 'event_id', foreignKeyConstraintName: 'FK_purchases_event' })
  event?: Relation<Event>;

  @Column('smallint')
  quantity!: number;

  /** In minor units of the event's currency, at the price when it was sold. */
  @Column('integer', { name: 'total_price' })
  totalPrice!: number;

  @Column('character', { length: 3 })
  currency!: string;

  @Column('text', { name: 'buyer_name' })
  buyerName!: string;

  @Column('text', { name: 'buyer_email' })
  buyerEmail!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
