import fp from 'fastify-plugin';
import { createMailer, type Mailer, type MailSettings } from '../lib/mail/mailer.js';

declare module 'fastify' {
  interface FastifyInstance {
    readonly mailer: Mailer;
  }
}

/** Mails. When the server closes, those that are being sent are finished. */
export const mailPlugin = fp<{ readonly settings: MailSettings }>(
  async (app, { settings }) => {
    const mailer = createMailer(settings, app.log);
    app.decorate('mailer', mailer);
    app.addHook('onClose', () => mailer.close());
  },
  { name: 'mail' },
);
