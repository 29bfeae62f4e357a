// @ts-check

/** An error as Supabase Auth tells it to its clients. */
export class HttpError extends Error {
  /**
   * @param {number} status
   * @param {string} code stable, as Supabase documents its codes
   * @param {string} message
   * @param {Record<string, unknown>} [more]
   */
  constructor(status, code, message, more = {}) {
    super(message);
    this.status = status;
    this.body = { code, message, ...more };
  }
}

const LIMIT = 1_048_576;

/**
 * @param {import('node:http').IncomingMessage} request
 * @returns {Promise<Record<string, unknown>>} {} where there is no body
 */
export async function readJson(request) {
  /** @type {Buffer[]} */
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LIMIT) throw new HttpError(413, 'request_too_large', 'Request body too large');
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  } catch {
    // told below
  }
  throw new HttpError(400, 'bad_json', 'Could not parse request body as JSON');
}
