import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Answers queries for an address with 8.8.8.8, and says nothing about names below slow.test. */
export async function startNameServer() {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const end = query.indexOf(0, 12) + 5; // of the question: labels, type, class
    const name = query.toString('latin1', 12, end);
    if (name.includes('slow')) return;
    const isIpv4 = query.readUInt16BE(end - 4) === 1;
    const head = Buffer.from(query.subarray(0, end));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(isIpv4 ? 1 : 0, 6);
    head.writeUInt32BE(0, 8);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 8, 8, 8, 8]);
    socket.send(isIpv4 ? Buffer.concat([head, answer]) : head, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    /** For a service under test. */
    settings: {
      NAME_SERVER: `127.0.0.1:${socket.address().port}`,
      NODE_OPTIONS: '--import=./test/support/use-name-server.mjs',
    },
    stop: () => socket.close(),
  };
}
