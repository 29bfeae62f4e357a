import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsEnum, IsOptional, IsUUID } from 'class-validator';
import { PageInfo, PageQuery } from '../../common/pagination/page.dto.js';
import type { GoogleResource } from '../../generated/prisma/client.js';
import { GoogleResourceKind } from '../../generated/prisma/enums.js';

export class ListGoogleResourcesQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  readonly connectionId?: string;

  @ApiPropertyOptional({ enum: GoogleResourceKind, enumName: 'GoogleResourceKind' })
  @IsOptional()
  @IsEnum(GoogleResourceKind)
  readonly kind?: GoogleResourceKind;
}

export class GoogleResourceResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ format: 'uuid' })
  readonly connectionId!: string;

  @ApiProperty({ enum: GoogleResourceKind, enumName: 'GoogleResourceKind' })
  readonly kind!: GoogleResourceKind;

  @ApiProperty({ example: 'accounts/1/containers/2', description: "Google's name of it" })
  readonly path!: string;

  @ApiProperty()
  readonly name!: string;

  @ApiProperty({ example: 'GTM-ABC123', description: 'the id that people know it by' })
  readonly publicId!: string;

  @ApiProperty({ type: String, format: 'date-time', description: 'when a sync first found it' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly updatedAt!: Date;

  static of(resource: GoogleResource): GoogleResourceResponse {
    const { id, connectionId, kind, path, name, publicId, createdAt, updatedAt } = resource;
    return { id, connectionId, kind, path, name, publicId, createdAt, updatedAt };
  }
}

export class GoogleResourcePage {
  @ApiProperty({ type: [GoogleResourceResponse] })
  readonly data!: GoogleResourceResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
