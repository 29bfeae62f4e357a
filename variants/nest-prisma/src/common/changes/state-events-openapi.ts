/** How the OpenAPI document describes a stream of `stateEvents`. */
export const EVENT_STREAM = {
  description:
    'server-sent events: `event: state`, `id:` its version, `data:` JSON; a comment at least every 15 s',
  content: { 'text/event-stream': { schema: { type: 'string' as const } } },
};

export const LAST_EVENT_ID = {
  name: 'Last-Event-ID',
  required: false,
  description: 'the id of the last event that was seen, as EventSource sends it',
  schema: { type: 'string' as const },
};
