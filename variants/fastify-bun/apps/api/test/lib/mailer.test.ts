import { afterEach, expect, it } from 'bun:test';
import type { Log } from '../../src/shared/lib/logging/log.js';
import { createMailer, type Mailer } from '../../src/shared/lib/mail/mailer.js';

const MAIL = { to: 'ada@example.com', subject: 'Confirm your address', text: 'https://example.com/?token=t' };

const logged: unknown[][] = [];
const keep = (...line: unknown[]) => void logged.push(line);
const log = { debug: keep, info: keep, warn: keep, error: keep } as unknown as Log;
afterEach(() => logged.splice(0));

/** A mail server that answers the recipients of a mail, each in turn; the last answer is for all further ones. */
function startServer(...answers: string[]) {
  const received: string[] = [];
  const server = Bun.listen<{ isData: boolean }>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.data = { isData: false };
        socket.write('220 test\r\n');
      },
      data(socket, bytes) {
        for (const line of bytes.toString().split('\r\n')) {
          if (socket.data.isData) {
            received.push(line);
            if (line !== '.') continue;
            socket.data.isData = false;
            socket.write('250 ok\r\n');
          } else if (line.startsWith('RCPT'))
            socket.write(`${(answers.length > 1 ? answers.shift() : answers[0]) ?? '250 ok'}\r\n`);
          else if (line === 'DATA') {
            socket.data.isData = true;
            socket.write('354 go on\r\n');
          } else if (line !== '') socket.write('250 ok\r\n');
        }
      },
    },
  });
  const settings = {
    SMTP_URL: `smtp://127.0.0.1:${server.port}`,
    MAIL_FROM: 'app@localhost',
    MAIL_FOLDER: '',
  };
  return { received, settings, stop: () => server.stop(true) };
}

async function sending(mailer: Mailer): Promise<void> {
  mailer.send(MAIL);
  await mailer.close();
}

it('a mail is sent again after a failure, and closing waits for it', async () => {
  const server = startServer('451 try again', '250 ok');
  await sending(createMailer(server.settings, log));
  expect(server.received.join('\n')).toContain('Subject: Confirm your address');
  expect(logged).toEqual([]);
  server.stop();
});

it('a refusal is logged by its code, without the address that the server repeats', async () => {
  const server = startServer('550 5.1.1 <ada@example.com>: unknown, token=t');
  const mailer = createMailer(server.settings, log);
  mailer.send(MAIL);
  await mailer.idle();
  await mailer.close();
  expect(logged).toEqual([[{ type: 'Error', code: 'EENVELOPE', responseCode: 550 }, 'mail not sent']]);
  server.stop();
});

it('mails that a server does not take in time are dropped at shutdown, and counted in the log', async () => {
  const mute = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const url = `smtp://127.0.0.1:${mute.port}`;
  const started = performance.now();
  await sending(createMailer({ SMTP_URL: url, MAIL_FROM: 'app@localhost', MAIL_FOLDER: '' }, log));
  expect(performance.now() - started).toBeLessThan(4_500);
  expect(logged).toEqual([[{ pending: 1 }, 'mails dropped at shutdown']]);
  mute.stop(true);
});
