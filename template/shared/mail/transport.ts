import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface MailTransport {
  deliver(mail: Mail): Promise<void>;
  close(): void;
}

/** Sends mails through an SMTP server, within timeouts. */
export function smtpTransport(url: string, from: string): MailTransport {
  const timeouts = { connectionTimeout: 5_000, greetingTimeout: 5_000, socketTimeout: 10_000 };
  const transport = createTransport({ url, pool: true, ...timeouts });
  return {
    async deliver(mail) {
      await transport.sendMail({ from, ...mail });
    },
    close: () => transport.close(),
  };
}

/**
 * Writes mails to files that only the service's user can read.
 *
 * @param written is called with each mail and its file
 */
export function folderTransport(
  folder: string,
  from: string,
  written: (mail: Mail, file: string) => void,
): MailTransport {
  return {
    async deliver(mail) {
      const name = `${new Date().toISOString().replaceAll(':', '-')}-${randomUUID().slice(0, 8)}.eml`;
      const file = join(folder, name);
      await mkdir(folder, { recursive: true });
      const text = `From: ${from}\nTo: ${mail.to}\nSubject: ${mail.subject}\n\n${mail.text}\n`;
      await writeFile(file, text, { mode: 0o600 });
      written(mail, file);
    },
    close() {},
  };
}

/** Returns what may be logged of a failure. Codes only: the messages of mail servers repeat the address. */
export function describeMailError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, code, responseCode } = error as Error & { code?: unknown; responseCode?: unknown };
  return {
    type: name,
    ...(code !== undefined && { code }),
    ...(responseCode !== undefined && { responseCode }),
  };
}
