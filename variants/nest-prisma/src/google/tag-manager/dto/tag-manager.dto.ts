import { ApiProperty } from '@nestjs/swagger';

export class AccountResponse {
  @ApiProperty({ example: '6001234567' })
  readonly accountId!: string;

  @ApiProperty({ example: 'Corner Bakery' })
  readonly name!: string;

  @ApiProperty({ example: 'accounts/6001234567' })
  readonly path!: string;
}

/** All that there are: Google's pages are put together. */
export class AccountsResponse {
  @ApiProperty({ type: [AccountResponse] })
  readonly data!: AccountResponse[];
}

export class ContainerResponse {
  @ApiProperty({ example: '180012345' })
  readonly containerId!: string;

  @ApiProperty({ example: 'GTM-ABC1234', description: 'as it is written into a web site' })
  readonly publicId!: string;

  @ApiProperty({ example: 'bakery.example' })
  readonly name!: string;

  @ApiProperty({ example: 'accounts/6001234567/containers/180012345' })
  readonly path!: string;
}

/** All that there are: Google's pages are put together. */
export class ContainersResponse {
  @ApiProperty({ type: [ContainerResponse] })
  readonly data!: ContainerResponse[];
}
