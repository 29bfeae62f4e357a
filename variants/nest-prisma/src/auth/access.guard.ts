import { SetMetadata } from '@nestjs/common';

const IS_PUBLIC = Symbol('IS_PUBLIC');

/** The endpoint is for everybody. Without this, each needs a token. */
export const Public = () => SetMetadata(IS_PUBLIC, true);
