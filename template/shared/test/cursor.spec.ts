import { expect, it } from '[[ test_api ]]';
import { ValidationError } from '../../src/[[ common_folder ]]/errors/domain-error.js';
import { decodeCursor, encodeCursor } from '../../src/[[ common_folder ]]/pagination/cursor.js';
import { toPage } from '../../src/[[ common_folder ]]/pagination/page.js';

const PLACE = { time: new Date('2030-05-01T19:30:00.123Z'), id: '01990000-0000-7000-8000-000000000001' };

it('reads what it wrote', () => {
  expect(decodeCursor(encodeCursor(PLACE))).toEqual(PLACE);
});

it.each([
  '',
  'nonsense',
  Buffer.from(PLACE.id).toString('base64url'),
  Buffer.from(`+275760-09-13T00:00:00.000Z ${PLACE.id}`).toString('base64url'),
  Buffer.from(`-000001-01-01T00:00:00.000Z ${PLACE.id}`).toString('base64url'),
  Buffer.from(`0099-01-01T00:00:00.000Z ${PLACE.id}`).toString('base64url'),
  Buffer.from(`2030-05-01 ${PLACE.id}`).toString('base64url'),
  Buffer.from(`2030-05-01T19:30:00.123Z '; DROP TABLE x; --`).toString('base64url'),
  Buffer.from(`2030-05-01T19:30:00.123Z ${PLACE.id} more`).toString('base64url'),
])('refuses %j, which it did not write', (text) => {
  expect(() => decodeCursor(text)).toThrow(ValidationError);
});

it('gives a page a cursor only where there is a row behind it', () => {
  const rows = [1, 2, 3].map((day) => ({ ...PLACE, time: new Date(Date.UTC(2030, 0, day)) }));
  const day = ({ time }: typeof PLACE) => time.getUTCDate();
  const page = toPage(rows, 2, (row) => row, day);
  expect(page.data).toEqual([1, 2]);
  expect(decodeCursor(page.page.nextCursor ?? '')).toEqual(rows[1] ?? PLACE);
  expect(toPage(rows, 3, (row) => row, day)).toEqual({ data: [1, 2, 3], page: { nextCursor: null } });
  expect(toPage([], 3, (row: typeof PLACE) => row, day)).toEqual({ data: [], page: { nextCursor: null } });
});
