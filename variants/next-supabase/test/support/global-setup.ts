import { execFileSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';
import { startService } from './service';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the service listens that test files share. */
    url: string;
  }
}

/** Migrates the database and starts the built service, once. `npm test` starts the servers. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  if (!process.env.SUPABASE_URL) {
    throw new Error(
      'SUPABASE_URL is not set: run the tests by `npm test`, which starts a Supabase for them.',
    );
  }
  execFileSync(process.execPath, ['scripts/database.mjs', 'migrate'], { stdio: 'inherit' });
  const service = await startService();
  provide('url', service.url);
  return async () => {
    await service.stop();
  };
}
