import { Injectable, type PipeTransform } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { ValidationError } from '../errors/domain-error.js';

/** A path parameter that must be a UUID. */
@Injectable()
export class UuidPipe implements PipeTransform<string, string> {
  transform(value: string, { data }: { data?: string }): string {
    if (!isUUID(value, 'all')) {
      throw new ValidationError([{ pointer: `/${data}`, message: `${data} must be a UUID` }]);
    }
    return value;
  }
}
