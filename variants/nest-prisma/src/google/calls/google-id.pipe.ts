import { Injectable, type PipeTransform } from '@nestjs/common';
import { ValidationError } from '../../common/errors/domain-error.js';

export const GOOGLE_ID_PATTERN = '^[0-9]{1,19}$';

/** A path parameter that must be an id of Google's: they are numbers that JavaScript cannot hold, and so strings. */
@Injectable()
export class GoogleIdPipe implements PipeTransform<string, string> {
  transform(value: string, { data }: { data?: string }): string {
    if (!new RegExp(GOOGLE_ID_PATTERN).test(value)) {
      throw new ValidationError([{ pointer: `/${data}`, message: `${data} must be up to 19 digits` }]);
    }
    return value;
  }
}
