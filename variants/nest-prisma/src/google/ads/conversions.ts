import { z } from 'zod';
import type { GoogleRequestError } from '../google.errors.js';

/** The parameter of a page's address that Google names a click in. Which one depends on the device and on consent. */
export const CLICK_ID_KINDS = ['gclid', 'gbraid', 'wbraid'] as const;

export type ClickIdKind = (typeof CLICK_ID_KINDS)[number];

/** Something that somebody did after they clicked on an advertisement. */
export interface Conversion {
  /** The conversion action that it counts for. */
  readonly conversionActionId: string;
  /** Unique for the conversion action: two with the same one are one. */
  readonly transactionId: string;
  readonly occurredAt: Date;
  readonly clickId: string;
  /** `gclid` where nothing is said. */
  readonly clickIdKind?: ClickIdKind;
  /** In `currency`. */
  readonly value?: number;
  /** ISO 4217. */
  readonly currency?: string;
}

/** What Google finds wrong. */
export interface Fault {
  /** Google's own code. */
  readonly code: string;
  readonly message: string;
}

export interface ConversionFailure extends Fault {
  /** Among those that were handed in, from 0. */
  readonly index: number;
}

const badRequest = z.object({
  fieldViolations: z.array(
    z.object({ field: z.string(), description: z.string().default(''), reason: z.string().optional() }),
  ),
});

/** As the Data Manager API wants it. */
export function toEvent({
  occurredAt,
  transactionId,
  clickId,
  clickIdKind = 'gclid',
  value,
  currency,
}: Conversion) {
  return {
    eventTimestamp: occurredAt.toISOString(),
    transactionId,
    eventSource: 'WEB',
    adIdentifiers: { [clickIdKind]: clickId },
    conversionValue: value,
    currency,
  };
}

/** The events of a request that Google finds fault with, by their position. None where the fault is another one. */
export function faultsOf({ details, reason }: GoogleRequestError): Map<number, Fault> {
  const violations = details.flatMap((detail) => badRequest.safeParse(detail).data?.fieldViolations ?? []);
  return new Map(
    violations.flatMap(({ field, description, reason: code = reason }) => {
      const position = /(?:^|\.)events\[(\d+)\]/.exec(field)?.[1];
      return position === undefined ? [] : [[Number(position), { code, message: description }]];
    }),
  );
}
