import { afterAll, afterEach, expect, setDefaultTimeout } from 'bun:test';
import { startServices } from '../../../../scripts/services.mjs';
import { createTemplate } from './database.js';
import { waitsInTransactions, watchTransactions } from './held-connections.js';

setDefaultTimeout(60_000);
watchTransactions();
afterEach(() => expect(waitsInTransactions.splice(0)).toEqual([]));

// Loaded once, before the test files (bunfig.toml): real servers, unless the environment names some.
const services = await startServices({ ephemeral: true });
Object.assign(process.env, services.env);
const dropTemplate = await createTemplate();

afterAll(async () => {
  await dropTemplate();
  await services.stop();
});
