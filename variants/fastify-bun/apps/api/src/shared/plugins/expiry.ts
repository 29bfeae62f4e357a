import fp from 'fastify-plugin';
import { forgetExpired } from '../db/expired.js';
import { forgetKeys } from '../db/idempotency.js';

const HOUR_MS = 3_600_000;

/** Forgets what only had to be remembered for a while. Every process does so; what another has deleted is gone. */
export const expiryPlugin = fp<{ readonly settings: { readonly IDEMPOTENCY_KEY_TTL_SECONDS: number } }>(
  async (app, { settings }) => {
    const forget = async () => {
      try {
        await forgetKeys(app.db, new Date(Date.now() - settings.IDEMPOTENCY_KEY_TTL_SECONDS * 1_000));
        await forgetExpired(app.db, new Date());
      } catch (error) {
        app.log.error({ err: error }, 'could not forget what has expired; the next run will');
      }
    };
    const timer = setInterval(forget, HOUR_MS);
    app.addHook('onClose', async () => clearInterval(timer));
  },
  { name: 'expiry', dependencies: ['database'] },
);
