import { ApiProperty } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import type { GoogleConnection } from '../../generated/prisma/client.js';
import { ConnectionStatus } from '../../generated/prisma/enums.js';

export class AuthorizationResponse {
  @ApiProperty({ format: 'uri', description: 'where the user agrees; good for ten minutes' })
  readonly authorizationUrl!: string;
}

/** What Google has added to the address that it sent the user back to. */
export class FinishConnectionDto {
  @ApiProperty({ minLength: 1, maxLength: 200 })
  @IsString()
  @Length(1, 200)
  readonly state!: string;

  @ApiProperty({ minLength: 1, maxLength: 2_000 })
  @IsString()
  @Length(1, 2_000)
  readonly code!: string;
}

export class ConnectionResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ format: 'email', description: 'the Google account' })
  readonly googleEmail!: string;

  @ApiProperty({ type: [String], description: 'what Google lets this service do' })
  readonly scopes!: string[];

  @ApiProperty({
    enum: ConnectionStatus,
    enumName: 'ConnectionStatus',
    description: 'RECONNECT_REQUIRED: the user has taken the access away, and must connect again',
  })
  readonly status!: ConnectionStatus;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly updatedAt!: Date;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'the user who connected it' })
  readonly createdBy!: string | null;

  /** The tokens stay here. */
  static of(connection: GoogleConnection): ConnectionResponse {
    const { id, googleEmail, scopes, status, createdAt, updatedAt, createdBy } = connection;
    return { id, googleEmail, scopes, status, createdAt, updatedAt, createdBy };
  }
}

/** An organization has few enough connections for one page. */
export class ConnectionsResponse {
  @ApiProperty({ type: [ConnectionResponse] })
  readonly data!: ConnectionResponse[];
}
