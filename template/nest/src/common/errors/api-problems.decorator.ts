import { applyDecorators } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { PROBLEMS } from './problem-catalog.js';
import { PROBLEM_HEADERS } from './problem-headers.js';

class InputFaultDto {
  @ApiProperty({ description: 'JSON Pointer into the body, or /name of a parameter' })
  readonly pointer!: string;

  @ApiProperty()
  readonly message!: string;
}

/** RFC 9457. Some codes add members of their own. */
export class ProblemDto {
  @ApiProperty({ format: 'uri' })
  readonly type!: string;

  @ApiProperty()
  readonly title!: string;

  @ApiProperty({ type: 'integer', minimum: 400, maximum: 599 })
  readonly status!: number;

  @ApiProperty({ description: 'what went wrong this time, for people' })
  readonly detail!: string;

  @ApiProperty({ description: 'the path of the request' })
  readonly instance!: string;

  @ApiProperty({ description: 'stable; branch on this', enum: Object.keys(PROBLEMS) })
  readonly code!: string;

  @ApiProperty({ description: 'leads to the lines of the log' })
  readonly requestId!: string;

  @ApiPropertyOptional({ type: [InputFaultDto] })
  readonly errors?: InputFaultDto[];

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'seconds, as in Retry-After' })
  readonly retryAfter?: number;
[%- if variant == 'nest-typeorm' %]

  @ApiPropertyOptional({ type: 'integer', minimum: 0, description: 'tickets that are left' })
  readonly available?: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, description: 'tickets that are sold' })
  readonly sold?: number;

  @ApiPropertyOptional({ format: 'date-time', description: 'when the event has begun' })
  readonly startsAt?: string;
[%- endif %]
}

/** Answers that any operation may give. */
const EVERYWHERE = [429, 500, 503];

/** Documents the problem answers of an operation: the given statuses and those that any operation may give. */
export function ApiProblems(...statuses: number[]): MethodDecorator {
  return applyDecorators(
    ApiExtraModels(ProblemDto),
    ...[...statuses, ...EVERYWHERE].map((status) =>
      ApiResponse({
        status,
        description: codes(status),
        ...(status in PROBLEM_HEADERS && { headers: PROBLEM_HEADERS[status] }),
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDto) } } },
      }),
    ),
  );
}

function codes(status: number): string {
  return Object.entries(PROBLEMS)
    .filter(([, problem]) => problem.status === status)
    .map(([code]) => code)
    .join(', ');
}
