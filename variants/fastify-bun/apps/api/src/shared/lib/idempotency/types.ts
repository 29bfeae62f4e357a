/** A request that names an `Idempotency-Key`. */
export interface KeyedRequest {
  readonly userId: string;
  readonly key: string;
  /** SHA-256 of what it asks for. */
  readonly fingerprint: Buffer;
}

/** What a request has led to, now or the first time. */
export interface Outcome<Result> {
  readonly result: Result;
  readonly isRepeated: boolean;
}
