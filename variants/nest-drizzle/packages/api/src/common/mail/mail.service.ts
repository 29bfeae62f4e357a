import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import pRetry from 'p-retry';
import type { Config } from '../../config/config.js';
import { CONFIG } from '../config/config.module.js';
import {
  describeMailError,
  folderTransport,
  type Mail,
  type MailTransport,
  smtpTransport,
} from './transport.js';

/** Where mails go without SMTP_URL, unless MAIL_FOLDER names another folder. */
const DEFAULT_FOLDER = '.data/mail';

/** Mails that one process sends or retries at a time; further ones are dropped, so a slow server fills no memory. */
const PENDING_MAX = 1_000;

/**
 * Sends mails in the background, with retries. Nobody waits for the mail server: neither a transaction, which would hold
 * a connection, nor a response, whose time would reveal which addresses have an account.
 */
@Injectable()
export class MailService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(MailService.name);
  private readonly pending = new Set<Promise<void>>();
  private readonly transport: MailTransport;

  constructor(@Inject(CONFIG) config: Config) {
    const { SMTP_URL: url, MAIL_FROM: from, MAIL_FOLDER: folder = DEFAULT_FOLDER } = config;
    this.transport =
      url === undefined
        ? folderTransport(folder, from, (_, file) => this.logger.log({ file }, 'mail written to a file'))
        : smtpTransport(url, from);
  }

  /**
   * Sends a mail in the background. A failure is logged without the address.
   *
   * @param compose what to send, or a function that finds it out in the background too; undefined sends nothing
   */
  send(compose: Mail | (() => Promise<Mail | undefined>)): void {
    if (this.pending.size >= PENDING_MAX) {
      this.logger.error({ pending: PENDING_MAX }, 'mail dropped, too many are pending');
      return;
    }
    const sending = this.sendWithRetries(compose).finally(() => this.pending.delete(sending));
    this.pending.add(sending);
  }

  /** Waits for the mails that are being sent; the timeouts of the mail server bound it. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.pending);
  }

  private async sendWithRetries(compose: Mail | (() => Promise<Mail | undefined>)): Promise<void> {
    try {
      const mail = typeof compose === 'function' ? await compose() : compose;
      if (mail === undefined) return;
      await pRetry(() => this.transport.deliver(mail), { retries: 3, minTimeout: 500, maxTimeout: 5_000 });
    } catch (error) {
      this.logger.error(describeMailError(error), 'mail not sent');
    }
  }
}
