const TIMEOUT_MS = 10_000;

const required = (...names: string[]): string => {
  for (const name of names) {
    const value = Deno.env.get(name);
    if (value) return value;
  }
  throw new Error(`${names.join(' or ')} is not set`);
};

/** The project's secret key; Supabase still calls it by its older name in the functions that it runs. */
const secretKey = () => required('SUPABASE_SECRET_KEY', 'SUPABASE_SERVICE_ROLE_KEY');

/** Whether a request comes with the project's secret key: a schedule of the project's own. */
export async function hasSecretKey(request: Request): Promise<boolean> {
  return isSame(request.headers.get('apikey') ?? '', secretKey());
}

/** Calls a function of the database with the secret key. @throws Error where it does not answer 2xx */
export async function rpc(name: string, args: object = {}): Promise<unknown> {
  const response = await fetch(`${required('SUPABASE_URL')}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: { apikey: secretKey(), 'content-type': 'application/json' },
    body: JSON.stringify(args),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) {
    // Without the rest of the body, which quotes the values of the request: errors go to the log.
    const { code } = (await response.json().catch(() => ({}))) as { code?: unknown };
    throw new Error(`${name} failed: status ${response.status}, code ${String(code)}`);
  }
  return await response.json();
}

/** Compares in a time that tells nothing of where texts differ: the digests are compared, which nobody can choose. */
export async function isSame(one: string, other: string): Promise<boolean> {
  const digests = await Promise.all(
    [one, other].map((text) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))),
  );
  const [a, b] = digests.map((digest) => new Uint8Array(digest));
  return a !== undefined && b !== undefined && a.every((byte, index) => byte === b[index]);
}
