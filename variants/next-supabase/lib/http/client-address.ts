/**
 * The header field in which the server (`server/main.ts`) hands a client's address to the handlers. What a client itself
 * sends under this name is overwritten there.
 */
export const CLIENT_ADDRESS_HEADER = 'x-client-address';

/** The address of the client, behind the proxies that TRUST_PROXY names. */
export function clientAddress(request: Request): string {
  return request.headers.get(CLIENT_ADDRESS_HEADER) ?? 'unknown';
}
