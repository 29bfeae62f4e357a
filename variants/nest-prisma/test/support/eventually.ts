import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats a check until it holds. The last failure is thrown. */
export async function eventually<Result>(check: () => Promise<Result>, timeoutMs = 45_000): Promise<Result> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(25);
    }
  }
}
