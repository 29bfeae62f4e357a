/** An answer with JSON. */
export const json = (status: number, body: unknown): Response => Response.json(body, { status });

/** A problem document (RFC 9457), as the service answers. */
export const problem = (status: number, code: string, detail: string): Response =>
  Response.json(
    { type: `urn:problem:${code.toLowerCase().replaceAll('_', '-')}`, title: detail, status, detail, code },
    { status, headers: { 'content-type': 'application/problem+json' } },
  );

/** Reads a body, and no more of it than so many bytes. @returns undefined where it is longer */
export async function readText(request: Request, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return new Blob(chunks).text();
}

/** Only this method, and no failure that is not answered. */
export function serve(
  method: string,
  handle: (request: Request) => Promise<Response>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method !== method)
      return problem(405, 'METHOD_NOT_ALLOWED', `Only ${method} is for this path.`);
    try {
      return await handle(request);
    } catch (error) {
      console.error(error);
      return problem(503, 'FUNCTION_FAILED', 'The function failed. Try again.');
    }
  };
}
