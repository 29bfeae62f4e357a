import { createECDH, createHash, createPrivateKey, createPublicKey } from 'node:crypto';

/** A public key as RFC 7517 has it. */
export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'ES256';
}

export interface SigningKey {
  /** The key's thumbprint (RFC 7638): it names the key wherever the key goes. */
  readonly kid: string;
  /** PKCS #8, as jsonwebtoken takes it. */
  readonly privatePem: string;
  /** SubjectPublicKeyInfo. */
  readonly publicPem: string;
  readonly jwk: PublicJwk;
}

/** An ES256 key out of its 32 secret bytes, given as hexadecimal. */
export function toSigningKey(secret: string): SigningKey {
  const bytes = Buffer.from(secret.replace(/^dev_/, ''), 'hex');
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(bytes);
  const point = ecdh.getPublicKey(); // 0x04, then x, then y
  const x = point.subarray(1, 33).toString('base64url');
  const y = point.subarray(33).toString('base64url');
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x, y } as const;
  const privateKey = createPrivateKey({ key: { ...jwk, d: bytes.toString('base64url') }, format: 'jwk' });
  return {
    kid,
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString(),
    jwk: { ...jwk, kid, use: 'sig', alg: 'ES256' },
  };
}
