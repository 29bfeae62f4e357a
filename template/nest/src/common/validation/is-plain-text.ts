import { buildMessage, ValidateBy, type ValidationOptions } from 'class-validator';

/** Control characters but tab, line feed and carriage return. PostgreSQL cannot store NUL at all. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/**
 * A string of well-formed Unicode without control characters. A lone surrogate would be stored as U+FFFD, which is
 * not what the client sent, so it is refused.
 */
export function IsPlainText(
  options: { min: number; max: number },
  validationOptions?: ValidationOptions,
): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isPlainText',
      validator: {
        validate: (value: unknown) =>
          typeof value === 'string' &&
          value.trim().length >= options.min &&
          value.length <= options.max &&
          value.isWellFormed() &&
          !CONTROL.test(value),
        defaultMessage: buildMessage(
          (prefix) =>
            `${prefix}$property must be text of ${options.min} to ${options.max} characters, without control characters`,
          validationOptions,
        ),
      },
    },
    validationOptions,
  );
}
