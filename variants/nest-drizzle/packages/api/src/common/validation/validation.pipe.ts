import { type PipeTransform, StandardSchemaValidationPipe } from '@nestjs/common';
import { ValidationError } from '../errors/domain-error.js';

/** Validates against the Zod schema that a parameter names (`@Body({ schema })`), and reports every fault at once. */
export function createValidationPipe(): PipeTransform {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues) =>
      new ValidationError(
        issues.map(({ path = [], message }) => ({
          // RFC 6901 escapes ~ and / in a member's name.
          pointer: path
            .map(
              (part) =>
                `/${String(typeof part === 'object' ? part.key : part)
                  .replaceAll('~', '~0')
                  .replaceAll('/', '~1')}`,
            )
            .join(''),
          message,
        })),
      ),
  });
}
