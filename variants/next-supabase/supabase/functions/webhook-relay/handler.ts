import { json, problem, readText, serve } from '@shared/answers.ts';
import { rpc } from '@shared/project.ts';
import { verify } from '@shared/standard-webhooks.ts';

const MAX_BYTES = 65_536;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/**
 * Takes messages of other services (Standard Webhooks, signed with RELAY_SECRET) for `?project=`, and records each of them
 * once as usage of that project.
 */
export const handle = serve('POST', async (request) => {
  const secret = Deno.env.get('RELAY_SECRET');
  if (!secret) return problem(503, 'RELAY_NOT_CONFIGURED', 'RELAY_SECRET is not set.');
  const project = new URL(request.url).searchParams.get('project') ?? '';
  if (!UUID.test(project)) return problem(400, 'VALIDATION_FAILED', 'project must be the id of a project.');
  const body = await readText(request, MAX_BYTES);
  if (body === undefined) {
    return problem(413, 'PAYLOAD_TOO_LARGE', `The body is larger than ${MAX_BYTES} bytes.`);
  }
  // Before anything is read of it: the signature is made over what was sent.
  const id = await verify(secret, request.headers, body);
  if (id === undefined)
    return problem(400, 'SIGNATURE_INVALID', "The signature is not this body's, or is too old.");
  const message = parse(body);
  if (message === undefined) return problem(400, 'VALIDATION_FAILED', 'The body must be JSON with a type.');
  const outcome = await rpc('relay_message', {
    message_id: id,
    project,
    message_type: message.type,
    payload: message,
  });
  return outcome === 'unknown_project'
    ? problem(404, 'PROJECT_NOT_FOUND', 'There is no such project.')
    : json(200, { data: { outcome } });
});

function parse(body: string): { type: string } | undefined {
  try {
    const message: unknown = JSON.parse(body);
    const { type } = message as { type?: unknown };
    return typeof type === 'string' ? (message as { type: string }) : undefined;
  } catch {
    return undefined;
  }
}
