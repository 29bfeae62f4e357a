import { sign, verify } from '@shared/standard-webhooks.ts';

const SECRET = `whsec_${btoa('a secret of thirty-two bytes ...')}`;

async function signed(body: string, { secret = SECRET, secondsAgo = 0 } = {}): Promise<Headers> {
  const timestamp = `${Math.floor(Date.now() / 1_000) - secondsAgo}`;
  return new Headers({
    'webhook-id': 'msg_1',
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,AAAA v1,${await sign(secret, 'msg_1', timestamp, body)}`,
  });
}

function assertEquals(found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`expected ${expected}, found ${found}`);
}

// The example of the specification.
Deno.test('signs as Standard Webhooks has it', async () => {
  const signature = await sign(
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    '1614265330',
    '{"test": 2432232314}',
  );
  assertEquals(signature, 'g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

Deno.test('takes a message whose signature is one of several', async () => {
  assertEquals(await verify(SECRET, await signed('{}'), '{}'), 'msg_1');
});

Deno.test('refuses another body, another key, an old time and a time to come', async () => {
  assertEquals(await verify(SECRET, await signed('{}'), '{ }'), undefined);
  assertEquals(
    await verify(SECRET, await signed('{}', { secret: `whsec_${btoa('another')}` }), '{}'),
    undefined,
  );
  assertEquals(await verify(SECRET, await signed('{}', { secondsAgo: 301 }), '{}'), undefined);
  assertEquals(await verify(SECRET, await signed('{}', { secondsAgo: -301 }), '{}'), undefined);
  assertEquals(await verify(SECRET, new Headers(), '{}'), undefined);
});
