import { expect, it } from '[[ test_api ]]';
import { loggable } from '../../src/[[ common_folder ]]/logging/logger.js';

const CANARY = 'canary-7f3a';

it('replaces the text of secret members at any depth', () => {
  const body = { user: { password: CANARY, refreshToken: CANARY, apiKey: CANARY }, to: [{ email: CANARY }] };
  const line = JSON.stringify(loggable({ body, accessToken: CANARY, cookies: { session: CANARY } }));
  expect(line).not.toContain(CANARY);
  expect(line).toContain('[redacted]');
});

it('keeps counts that are named like secrets', () => {
  expect(loggable({ tokens: { input: 12, total: 34 } })).toEqual({ tokens: { input: 12, total: 34 } });
});

it('describes an error without its other members, under any name', () => {
  const cause = Object.assign(new Error('duplicate key'), {
    code: '23505',
    detail: `Key (name)=(${CANARY})`,
  });
  const error = Object.assign(new Error('no luck', { cause }), { params: [CANARY] });
  const line = loggable({ err: error, reason: error });
  expect(line).toMatchObject({
    err: { message: 'no luck', cause: { code: '23505' } },
    reason: { type: 'Error' },
  });
  expect(JSON.stringify(line)).not.toContain(CANARY);
});

it.each([
  ['a data exception', Object.assign(new Error(`invalid input: "${CANARY}"`), { code: '22P02' })],
  ['a failed query', Object.assign(new Error(`params: ${CANARY}`), { query: 'select $1' })],
  ['unreadable JSON', new SyntaxError(`Unexpected token, "${CANARY}" is not valid JSON`)],
  ['an upstream', Object.assign(new Error(`Invalid key ${CANARY}`), { statusCode: 401 })],
])('leaves out the message of %s, which may repeat input', (_, error) => {
  expect(JSON.stringify(loggable({ err: error }))).not.toContain(CANARY);
});
