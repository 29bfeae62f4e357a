/** What a handler answers: a status, a JSON body (undefined for none) and header fields. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Server-sent events, instead of a body. */
  readonly stream?: ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `200` with `{ data }`. */
export const ok = (data: unknown, headers?: Record<string, string>): Answer => ({
  status: 200,
  body: { data },
  headers,
});

/** `200` with a page, `{ data, page }`. */
export const page = <Page extends { data: unknown[] }>(body: Page): Answer => ({ status: 200, body });

/** `201` with `{ data }` and where it is from now on. */
export const created = (data: unknown, location: string, headers?: Record<string, string>): Answer => ({
  status: 201,
  body: { data },
  headers: { ...headers, location },
});

/** `204`. */
export const noContent = (): Answer => ({ status: 204 });
