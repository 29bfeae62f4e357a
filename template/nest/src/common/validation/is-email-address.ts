import { buildMessage, isEmail, ValidateBy, type ValidationOptions } from 'class-validator';

/** RFC 5321, 4.5.3.1: 256 octets with the angle brackets. */
const MAX_LENGTH = 254;

/** An e-mail address. class-validator's own IsEmail throws where a string is not well-formed Unicode. */
export function IsEmailAddress(validationOptions?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isEmailAddress',
      validator: {
        validate: (value: unknown) =>
          typeof value === 'string' && value.length <= MAX_LENGTH && value.isWellFormed() && isEmail(value),
        defaultMessage: buildMessage(
          (prefix) => `${prefix}$property must be an e-mail address, e.g. ada@example.com`,
          validationOptions,
        ),
      },
    },
    validationOptions,
  );
}
