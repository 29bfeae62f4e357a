import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { Purchase } from './purchase.entity.js';

/** One seat. The primary key is what makes selling a seat twice impossible, whatever the code above it does. */
@Entity('tickets')
@Index('IDX_tickets_purchase', ['purchaseId'])
export class Ticket {
  @PrimaryColumn('uuid', { name: 'event_id', primaryKeyConstraintName: 'PK_tickets' })
  eventId!: string;

  /** 1 to the event's capacity, without gaps. */
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'PK_tickets' })
  number!: number;

  @Column('uuid', { name: 'purchase_id' })
  purchaseId!: string;

  /** A purchase of the ticket's event: the foreign key has both columns. */
  @ManyToOne(() => Purchase, { nullable: false })
  @JoinColumn([
    {
      name: 'event_id',
      referencedColumnName: 'eventId',
      foreignKeyConstraintName: 'FK_tickets_event_purchase',
    },
    {
      name: 'purchase_id',
      referencedColumnName: 'id',
      foreignKeyConstraintName: 'FK_tickets_event_purchase',
    },
  ])
  purchase?: Relation<Purchase>;
}
