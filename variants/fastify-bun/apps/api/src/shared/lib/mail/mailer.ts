import { randomUUID } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { DomainError } from '../errors/domain-error.js';
import type { Log } from '../logging/log.js';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  /** Resolves when the mail has been handed over. */
  send(mail: Mail): Promise<void>;
}

export interface MailSettings {
  readonly MAIL_FROM: string;
  readonly MAIL_FOLDER: string;
  readonly SMTP_URL?: string | undefined;
}

/** Sends through the SMTP server of the settings; where there is none, mails go to a folder and are named in the log. */
export function createMailer(settings: MailSettings, log: Log): Mailer {
  const { SMTP_URL: url, MAIL_FROM: from, MAIL_FOLDER: folder } = settings;
  return url === undefined ? folderMailer(folder, from, log) : smtpMailer(url, from);
}

function smtpMailer(url: string, from: string): Mailer {
  const timeouts = { connectionTimeout: 5_000, greetingTimeout: 5_000, socketTimeout: 10_000 };
  const transport = createTransport({ url, ...timeouts });
  return {
    async send(mail) {
      try {
        await transport.sendMail({ from, ...mail });
      } catch (cause) {
        throw new DomainError(
          'The mail could not be sent. Try again later.',
          'MAIL_UNAVAILABLE',
          {},
          {},
          { cause },
        );
      }
    },
  };
}

function folderMailer(folder: string, from: string, log: Log): Mailer {
  return {
    async send({ to, subject, text }) {
      const file = `${folder}/${new Date().toISOString().replaceAll(':', '-')}-${randomUUID().slice(0, 8)}.eml`;
      await Bun.write(file, `From: ${from}\nTo: ${to}\nSubject: ${subject}\n\n${text}\n`, {
        createPath: true,
      });
      log.info({ subject, file }, 'a mail was written to a file');
    },
  };
}
