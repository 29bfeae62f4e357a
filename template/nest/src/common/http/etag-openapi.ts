/** How the OpenAPI document describes the ETag of an answer. */
export const ETAG_HEADER = {
  etag: { description: 'the version in double quotes', schema: { type: 'string' as const } },
};

[% if variant != 'nest-drizzle' -%]
/** `If-None-Match` of a read. */
export const IF_NONE_MATCH = {
  name: 'If-None-Match',
  required: false,
  description: 'ETags already held',
  schema: { type: 'string' as const },
};

[% endif -%]
/** `304` of a read. */
export const NOT_MODIFIED = {
  description: 'It is still at the version that If-None-Match names',
  headers: ETAG_HEADER,
};
[%- if variant != 'nest-drizzle' %]

/** `If-Match` of a change. Not marked as required: without it the answer is 428, which says more than a plain 400. */
export const IF_MATCH = {
  name: 'If-Match',
  required: false,
  description: 'the ETag last read, e.g. "3"; 428 without it',
  schema: { type: 'string' as const },
};
[%- endif %]
