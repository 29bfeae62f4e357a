import { ValidationPipe } from '@nestjs/common';
import type { ValidationError as Violation } from 'class-validator';
import { type InputFault, ValidationError } from '../errors/domain-error.js';

/** Validates DTOs: unknown members are refused, values are not converted, and every fault is reported at once. */
export function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false, value: false },
    exceptionFactory: (violations) =>
      new ValidationError(violations.flatMap((violation) => faults(violation, ''))),
  });
}

function faults(violation: Violation, parent: string): InputFault[] {
  // RFC 6901 escapes ~ and / in a member's name.
  const pointer = `${parent}/${violation.property.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const own = Object.values(violation.constraints ?? {}).map((message) => ({ pointer, message }));
  return [...own, ...(violation.children ?? []).flatMap((child) => faults(child, pointer))];
}
