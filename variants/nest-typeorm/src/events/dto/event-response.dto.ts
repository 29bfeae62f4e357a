import { ApiProperty } from '@nestjs/swagger';
import { PageInfo } from '../../common/pagination/page.dto.js';
import type { Event } from '../event.entity.js';

export class EventResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty()
  readonly name!: string;

  @ApiProperty()
  readonly description!: string;

  @ApiProperty()
  readonly venue!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly startsAt!: Date;

  @ApiProperty({ type: 'integer' })
  readonly capacity!: number;

  @ApiProperty({ type: 'integer' })
  readonly sold!: number;

  @ApiProperty({ type: 'integer', description: 'capacity less sold' })
  readonly available!: number;

  @ApiProperty({ type: 'integer', description: 'of one ticket, in minor units of the currency' })
  readonly price!: number;

  @ApiProperty({ description: 'ISO 4217' })
  readonly currency!: string;

  @ApiProperty({ type: 'integer', description: 'raised by every change; the ETag is this in double quotes' })
  readonly version!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly updatedAt!: Date;

  static of(event: Event): EventResponse {
    const {
      id,
      name,
      description,
      venue,
      startsAt,
      capacity,
      sold,
      price,
      currency,
      version,
      createdAt,
      updatedAt,
    } = event;
    const available = capacity - sold;
    return {
      id,
      name,
      description,
      venue,
      startsAt,
      capacity,
      sold,
      available,
      price,
      currency,
      version,
      createdAt,
      updatedAt,
    };
  }
}

export class EventPage {
  @ApiProperty({ type: [EventResponse] })
  readonly data!: EventResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
