import { ApiProperty } from '@nestjs/swagger';

/** A purchase without the buyer: nothing reads personal data back. */
export class PurchaseResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ format: 'uuid' })
  readonly eventId!: string;

  @ApiProperty({ type: 'integer' })
  readonly quantity!: number;

  @ApiProperty({
    type: 'array',
    items: { type: 'integer' },
    description: 'the seats, unique within the event',
  })
  readonly ticketNumbers!: number[];

  @ApiProperty({ type: 'integer', description: 'in minor units of the currency' })
  readonly totalPrice!: number;

  @ApiProperty({ description: 'ISO 4217' })
  readonly currency!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: string;
}
