import { describe, expect, it } from '[[ test_api ]]';
import { DecryptionError, Encryption, parseKeyRing } from '../../src/[[ "shared/lib" if variant == "fastify-bun" else "common/crypto" ]]/encryption.js';

const OLD = 'a1'.repeat(32);
const NEW = 'b2'.repeat(32);
const SECRET = 'sk-canary-1234567890'; // pragma: allowlist secret
const place = { table: 'provider_keys', row: 'row-1', owner: 'ada' };
const encryption = new Encryption(parseKeyRing(OLD));

/** The message with one of its dot-separated parts replaced. */
function withPart(message: string, index: number, change: (part: Buffer) => Buffer): string {
  const parts = message.split('.');
  parts[index] = change(Buffer.from(parts[index] ?? '', 'base64url')).toString('base64url');
  return parts.join('.');
}

function flipBit(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  return changed;
}

describe('encrypted secrets', () => {
  it('come back as they were, whatever they hold', () => {
    for (const secret of [SECRET, '', 'ключ 🔑', 'x'.repeat(5_000)]) {
      expect(encryption.decrypt(encryption.encrypt(secret, place), place)).toBe(secret);
    }
  });

  it('differ each time, and do not show what they hold', () => {
    const [one, two] = [encryption.encrypt(SECRET, place), encryption.encrypt(SECRET, place)];
    expect(one).not.toBe(two);
    expect(one).not.toContain(Buffer.from(SECRET).toString('base64url'));
  });

  it.each([
    ['another row', { ...place, row: 'row-2' }],
    ['another owner', { ...place, owner: 'bob' }],
    ['another table', { ...place, table: 'secrets' }],
    ['members that only read alike when strung together', { ...place, row: 'row', owner: '-1ada' }],
  ])('refuse to decrypt at %s', (_, elsewhere) => {
    expect(() => encryption.decrypt(encryption.encrypt(SECRET, place), elsewhere)).toThrow(DecryptionError);
  });

  it.each([
    ['nonce', 2],
    ['tag', 3],
    ['ciphertext', 4],
  ])('refuse to decrypt with one bit of the %s flipped', (_, index) => {
    const changed = withPart(encryption.encrypt(SECRET, place), index, flipBit);
    expect(() => encryption.decrypt(changed, place)).toThrow(DecryptionError);
  });

  it('refuse every tag that is not 16 bytes long, also the start of the right one', () => {
    const message = encryption.encrypt(SECRET, place);
    for (const length of [0, 4, 8, 12, 15]) {
      const cut = withPart(message, 3, (tag) => tag.subarray(0, length));
      expect(() => encryption.decrypt(cut, place)).toThrow(DecryptionError);
    }
    const longer = withPart(message, 3, (tag) => Buffer.concat([tag, Buffer.alloc(1)]));
    expect(() => encryption.decrypt(longer, place)).toThrow(DecryptionError);
  });

  it('refuse a second spelling of the same bytes', () => {
    expect(() => encryption.decrypt(`${encryption.encrypt(SECRET, place)}=`, place)).toThrow(DecryptionError);
  });

  it.each(['', 'v1', 'plain text', 'v2.a.b.c.d', 'v1.....', '.'.repeat(100)])('refuse %j', (message) => {
    expect(() => encryption.decrypt(message, place)).toThrow(DecryptionError);
  });

  it('do not decrypt under the id of another key', () => {
    const both = new Encryption(parseKeyRing(`${NEW},${OLD}`));
    const [, newId] = both.currentPrefix.split('.');
    const [version, , ...rest] = encryption.encrypt(SECRET, place).split('.');
    const message = [version, newId, ...rest].join('.');
    expect(() => both.decrypt(message, place)).toThrow(DecryptionError);
  });
});

describe('a rotation', () => {
  const rotated = new Encryption(parseKeyRing(`${NEW},${OLD}`));

  it('reads what the old key wrote, and writes with the new one', () => {
    const message = encryption.encrypt(SECRET, place);
    expect(rotated.decrypt(message, place)).toBe(SECRET);
    expect(message.startsWith(rotated.currentPrefix)).toBe(false);
    expect(rotated.rotate(message, place).startsWith(rotated.currentPrefix)).toBe(true);
  });

  it('leaves what is under the new key as it is', () => {
    const message = rotated.encrypt(SECRET, place);
    expect(rotated.rotate(message, place)).toBe(message);
  });

  it('is over when the old key is gone: the new one reads all', () => {
    const message = rotated.rotate(encryption.encrypt(SECRET, place), place);
    const after = new Encryption(parseKeyRing(NEW));
    expect(after.decrypt(message, place)).toBe(SECRET);
    expect(() => after.decrypt(encryption.encrypt(SECRET, place), place)).toThrow(/key ring/);
  });
});

describe('a key ring', () => {
  it.each(['', 'short', `${OLD},`, 'g'.repeat(64), OLD.slice(1)])('is not %j', (text) => {
    const parse = () => parseKeyRing(text);
    expect(parse).toThrow(/openssl rand -hex 32/);
    // Nor does the error repeat it.
    expect(parse).not.toThrow(OLD.slice(1));
  });

  it('takes keys that were made for development', () => {
    const development = new Encryption(parseKeyRing(`dev_${OLD}`));
    expect(development.decrypt(encryption.encrypt(SECRET, place), place)).toBe(SECRET);
  });

  it('holds no key twice', () => {
    expect(() => parseKeyRing(`${OLD},${OLD}`)).toThrow(/twice/);
  });

  it('does not show its keys when it is logged', () => {
    expect(JSON.stringify(encryption)).not.toContain('a1a1');
  });
});
