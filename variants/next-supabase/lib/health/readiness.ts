import { config } from '@/lib/config/config';
import { pool } from '@/lib/database/pool';
import { drain } from '@/lib/drain';
import { log } from '@/lib/log';
import { redis } from '@/lib/redis/redis';

/** Longer than a dependency that is well ever takes, shorter than the period of a probe. */
const PING_LIMIT_MS = 1_000;

interface Health {
  readonly status: 'up' | 'down';
  /** Milliseconds. */
  readonly responseTime: number;
}

const DEPENDENCIES: Readonly<Record<string, () => Promise<unknown>>> = {
  database: () => pool().query('SELECT 1'),
  redis: () => redis().ping(),
  auth: async () => {
    const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY } = config();
    const { ok } = await fetch(`${SUPABASE_URL}/auth/v1/health`, {
      headers: { apikey: SUPABASE_PUBLISHABLE_KEY },
    });
    if (!ok) throw new Error('Supabase Auth is not well');
  },
};

export interface Readiness {
  readonly status: 'ok' | 'error' | 'shutting_down';
  readonly details: Readonly<Record<string, Health>>;
}

/** Whether requests should come here: each dependency with its status and latency. */
export async function readiness(): Promise<Readiness> {
  if (drain().draining) return { status: 'shutting_down', details: {} };
  const checked = await Promise.all(
    Object.entries(DEPENDENCIES).map(async ([name, ping]) => [name, await check(name, ping)] as const),
  );
  const details: Record<string, Health> = Object.fromEntries(checked);
  return { status: Object.values(details).every(({ status }) => status === 'up') ? 'ok' : 'error', details };
}

async function check(name: string, ping: () => Promise<unknown>): Promise<Health> {
  const started = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), PING_LIMIT_MS);
  });
  const status = await Promise.race([ping(), late])
    .then(() => 'up' as const)
    .catch((error: unknown) => {
      log().warn({ err: error, dependency: name }, 'a dependency does not answer');
      return 'down' as const;
    })
    .finally(() => clearTimeout(timer));
  return { status, responseTime: Math.round((performance.now() - started) * 10) / 10 };
}
