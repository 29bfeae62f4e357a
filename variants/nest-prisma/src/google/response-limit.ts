/** A response of Google is read up to this size; a longer one fails. The longest pages of its lists are far shorter. */
export const MAX_RESPONSE_BYTES = 10 * 1_024 * 1_024;
