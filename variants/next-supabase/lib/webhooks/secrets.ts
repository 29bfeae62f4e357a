import { randomBytes } from 'node:crypto';
import { config } from '@/lib/config/config';
import { Encryption } from '@/lib/crypto/encryption';

const encryption = () => new Encryption(config().ENCRYPTION_KEYS);

const place = (endpointId: string, projectId: string) => ({
  table: 'webhook_endpoints',
  row: endpointId,
  owner: projectId,
});

/** A secret as Standard Webhooks has it, to be shown once, and what is stored of it. */
export function newSecret(endpointId: string, projectId: string): { secret: string; stored: string } {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  return { secret, stored: encryption().encrypt(secret, place(endpointId, projectId)) };
}

/** @throws DecryptionError */
export const openSecret = (stored: string, endpointId: string, projectId: string): string =>
  encryption().decrypt(stored, place(endpointId, projectId));
