'use client';

import { type SubmitEvent, useEffect, useState } from 'react';
import type { BackendMetrics } from '@/lib/telemetry/backend-metrics';
import { Panels } from './panels';
import styles from './status.module.css';

const EVERY_MS = 2_000;

/** The metrics of the process that answers, for administrators of the service. The token stays in this page. */
export function Status() {
  const [token, setToken] = useState<string>();
  const [metrics, setMetrics] = useState<BackendMetrics>();
  const [fault, setFault] = useState<string>();

  useEffect(() => {
    if (token === undefined) return;
    const ended = new AbortController();
    const look = async () => {
      const answer = await ask('/api/v1/admin/metrics', {
        headers: { authorization: `Bearer ${token}` },
        signal: ended.signal,
      });
      if (ended.signal.aborted) return;
      setFault(answer.fault);
      if (answer.data !== undefined) setMetrics(answer.data as BackendMetrics);
      // An access token runs out; somebody who is no administrator never gets further.
      if (answer.status === 401 || answer.status === 403) setToken(undefined);
    };
    void look();
    const timer = setInterval(() => void look(), EVERY_MS);
    return () => {
      ended.abort();
      clearInterval(timer);
    };
  }, [token]);

  const signIn = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const answer = await ask('/api/v1/auth/sign-in', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(Object.fromEntries(new FormData(event.currentTarget))),
    });
    setFault(answer.fault);
    if (answer.data !== undefined) setToken((answer.data as { accessToken: string }).accessToken);
  };

  return (
    <main className={styles.page}>
      <h1>Status</h1>
      {fault && <p role="alert">{fault}</p>}
      {token === undefined ? (
        <form className={styles.form} method="post" onSubmit={(event) => void signIn(event)}>
          <label>
            E-mail
            <input name="email" type="email" autoComplete="username" required />
          </label>
          <label>
            Password
            <input name="password" type="password" autoComplete="current-password" required />
          </label>
          <button type="submit">Sign in</button>
        </form>
      ) : (
        metrics && <Panels metrics={metrics} />
      )}
    </main>
  );
}

/** What the API answers, or why there is no answer. */
async function ask(
  path: string,
  init: RequestInit,
): Promise<{ status: number; data?: unknown; fault?: string }> {
  try {
    const response = await fetch(path, init);
    const body = await response.json();
    return response.ok
      ? { status: response.status, data: body.data }
      : { status: response.status, fault: body.detail };
  } catch {
    return { status: 0, fault: 'The service does not answer.' };
  }
}
