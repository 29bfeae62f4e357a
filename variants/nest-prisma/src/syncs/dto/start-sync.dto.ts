import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';

export class StartSyncDto {
  @ApiProperty({ format: 'uuid' })
  @IsUUID()
  readonly connectionId!: string;
}
