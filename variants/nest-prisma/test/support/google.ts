import { Database } from '../../src/database/database.js';
import { FakeGoogle } from './fake-google.js';
import { anEmail, type Client } from './people.js';
import type { TestService } from './service.js';

/** A Google of the test's own, and the settings of a service that takes it for Google. */
export async function startGoogle(): Promise<{ google: FakeGoogle; settings: Record<string, string> }> {
  const google = new FakeGoogle();
  const settings = {
    GOOGLE_BASE_URL: await google.start(),
    GOOGLE_CLIENT_ID: 'client',
    GOOGLE_CLIENT_SECRET: 'canary-client-secret', // pragma: allowlist secret
    GOOGLE_REDIRECT_URI: 'https://app.example.com/google/callback',
    GOOGLE_ADS_DEVELOPER_TOKEN: 'canary-developer-token', // pragma: allowlist secret
    // What a test does not ask for does not wait.
    GOOGLE_TAG_MANAGER_QUOTA: '10000/1',
    GOOGLE_ADS_QUOTA: '10000/1',
    GOOGLE_DATA_MANAGER_QUOTA: '10000/1',
  };
  return { google, settings };
}

/** @returns the id of a connection of the client's organization */
export async function connectGoogle(google: FakeGoogle, client: Client, email = anEmail()): Promise<string> {
  const { body: begun } = await client.post('/api/v1/connections/authorizations', undefined);
  const { status, body } = await client.post(
    '/api/v1/connections',
    google.agree(begun.authorizationUrl, email),
  );
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.id;
}

/** Runs what a job of the client's organization would do. */
export function inScope<Result>(
  { app }: TestService,
  { organizationId }: Client,
  work: () => Promise<Result>,
): Promise<Result> {
  return app.get(Database).run({ organizationId, userId: null }, work);
}
