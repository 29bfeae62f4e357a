import { PartialType } from '@nestjs/swagger';
import { CreateEventDto } from './create-event.dto.js';

/** Any subset of what an event is created with. */
export class UpdateEventDto extends PartialType(CreateEventDto, { skipNullProperties: false }) {}
