import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import type { Log } from '../logging/log.js';
import { describeMailError, folderTransport, type Mail, smtpTransport } from './transport.js';

export interface Mailer {
  /** Sends a mail in the background. A failure is logged without the address. */
  send(mail: Mail): void;
  /** Resolves when no mail is being sent. */
  idle(): Promise<void>;
  /** Waits for the mails that are being sent, `CLOSE_LIMIT_MS` at most. */
  close(): Promise<void>;
}

export interface MailSettings {
  readonly MAIL_FROM: string;
  readonly MAIL_FOLDER: string;
  readonly SMTP_URL?: string | undefined;
}

/** Mails that one process sends or retries at a time; further ones are dropped, so a slow server fills no memory. */
const PENDING_MAX = 1_000;
/** Milliseconds. The whole shutdown has 9 s, see `index.ts`. */
const CLOSE_LIMIT_MS = 3_000;

/**
 * Sends mails in the background, with retries, through the SMTP server of the settings, or to a folder without one. Nobody waits
 * for the mail server: neither a transaction, which would hold a connection, nor a response, whose time would reveal which
 * addresses have an account.
 */
export function createMailer(settings: MailSettings, log: Log): Mailer {
  const { SMTP_URL: url, MAIL_FROM: from, MAIL_FOLDER: folder } = settings;
  const transport =
    url === undefined
      ? folderTransport(folder, from, ({ subject }, file) =>
          log.info({ subject, file }, 'mail written to a file'),
        )
      : smtpTransport(url, from);
  const pending = new Set<Promise<void>>();

  async function sendWithRetries(mail: Mail): Promise<void> {
    try {
      await pRetry(() => transport.deliver(mail), { retries: 3, minTimeout: 500, maxTimeout: 5_000 });
    } catch (error) {
      log.error(describeMailError(error), 'mail not sent');
    }
  }
  async function idle(): Promise<void> {
    await Promise.all(pending);
  }

  return {
    send(mail) {
      if (pending.size >= PENDING_MAX) {
        log.error({ pending: PENDING_MAX }, 'mail dropped, too many are pending');
        return;
      }
      const sending = sendWithRetries(mail).finally(() => pending.delete(sending));
      pending.add(sending);
    },
    idle,
    async close() {
      await Promise.race([idle(), sleep(CLOSE_LIMIT_MS, undefined, { ref: false })]);
      if (pending.size > 0) log.error({ pending: pending.size }, 'mails dropped at shutdown');
      transport.close();
    },
  };
}
