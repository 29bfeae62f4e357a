// @ts-check
/**
 * Loaded into the service before its entry (`--import`) by dev.mjs, while the database is still being prepared: it loads
 * the modules of the service, which takes as long as that does, and lets the service begin when dev.mjs says so.
 */
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const abandon = () => process.exit(); // dev.mjs has ended
process.once('disconnect', abandon);
const begin = new Promise((resolve) => process.once('message', resolve));
await import(pathToFileURL(process.env.DEV_PRELOAD ?? '').href);
await begin;
process.off('disconnect', abandon);
process.disconnect();
