import { expect, it } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import Fastify from 'fastify';
import { AnswerStream } from '../../src/modules/chat/sse.js';
import { waitFor } from '../support/wait.js';

/** 64 KiB. What the system keeps for a connection is some MiB. */
const EVENT = `data: ${'x'.repeat(2 ** 16)}\n\n`;
const EVENTS = 2_000;

it('a client that stops reading has no more gathered for it than its connection holds', async () => {
  let handedOut = 0;
  async function* events() {
    for (; handedOut < EVENTS; handedOut++) yield EVENT;
    return true;
  }
  const app = Fastify();
  app.get('/', (_request, reply) => reply.send(new AnswerStream(events(), new AbortController())));
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
  const client = connect(Number(port), '127.0.0.1');
  try {
    client.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(client, 'data');
    client.pause();
    await waitFor(async () => {
      const before = handedOut;
      await Bun.sleep(300);
      return handedOut === before;
    });
    expect(handedOut).toBeLessThan(EVENTS / 4);

    client.resume();
    await waitFor(() => handedOut === EVENTS);
  } finally {
    client.destroy();
    await app.close();
  }
});
