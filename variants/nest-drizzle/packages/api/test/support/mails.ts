import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { SETTINGS } from './settings.js';

const FOLDER = SETTINGS.MAIL_FOLDER ?? '';

/** Returns the mails to an address, oldest first. */
export async function mailsTo(email: string): Promise<string[]> {
  await mkdir(FOLDER, { recursive: true });
  const files = (await readdir(FOLDER)).sort();
  const mails = await Promise.all(files.map((file) => readFile(join(FOLDER, file), 'utf8')));
  return mails.filter((mail) => mail.includes(`\nTo: ${email}\n`));
}

/** Waits for the mail with a subject that an address gets next, and returns its token. */
export async function tokenFor(email: string, subject: string, before = 0): Promise<string> {
  return vi.waitFor(async () => {
    const mails = (await mailsTo(email)).filter((mail) => mail.includes(`\nSubject: ${subject}\n`));
    expect(mails.length).toBeGreaterThan(before);
    return /Your token: (\S+)/.exec(mails.at(-1) ?? '')?.[1] ?? '';
  }, 10_000);
}
