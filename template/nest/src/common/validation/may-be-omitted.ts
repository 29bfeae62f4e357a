import { ValidateIf } from 'class-validator';

/** The member may be absent, and only that: class-validator's IsOptional would let `null` through as well. */
export function MayBeOmitted(): PropertyDecorator {
  return ValidateIf((_object, value) => value !== undefined);
}
