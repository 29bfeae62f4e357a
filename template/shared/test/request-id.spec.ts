import { expect, it } from '[[ test_api ]]';
import { requestId } from '../../src/[[ common_folder ]]/http/request-id.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

it.each(['a', 'abc-123_4.5', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'x'.repeat(128)])('keeps %j', (given) => {
  expect(requestId({ headers: { 'x-request-id': given } })).toBe(given);
});

it.each([undefined, '', '-a', 'a b', 'a\nb', 'a"b', 'ü', 'x'.repeat(129)])(
  'makes a new one in place of %j',
  (given) => {
    expect(requestId({ headers: { 'x-request-id': given } })).toMatch(UUID);
  },
);
