import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const VERSION = 'v1';
/** Bytes. NIST SP 800-38D: 96 random bits are safe for 2^32 messages under one key. */
const NONCE_LENGTH = 12;
/** Bytes. Without `authTagLength` Node accepts tags of 4 bytes, which can be guessed. */
const TAG_LENGTH = 16;
/** A key as `openssl rand -hex 32` prints it; `dev_` marks one that production refuses. */
const KEY = /^(?:dev_)?([0-9a-f]{64})$/;

/** Where a secret is stored. A ciphertext that was copied to any other place does not decrypt. */
export interface Place {
  readonly table: string;
  /** The row's primary key. */
  readonly row: string;
  /** Whom the row belongs to: a user or an organization. */
  readonly owner: string;
}

/** The keys by their ids. The current one encrypts; the others only read what was encrypted before a rotation. */
export interface KeyRing {
  readonly current: string;
  readonly keys: ReadonlyMap<string, KeyObject>;
}

/** A ciphertext that is not what this service stored at this place. The message holds neither key nor content. */
export class DecryptionError extends Error {
  override name = 'DecryptionError';
}

/**
 * Reads a key ring from a setting: comma-separated keys of 64 hexadecimal digits, the current one first. A key's id is
 * derived from the key, so there is none to configure, and none that could name two keys.
 *
 * @throws Error that says what is wrong with which key, and repeats none
 */
export function parseKeyRing(text: string): KeyRing {
  const keys = new Map<string, KeyObject>();
  for (const [index, part] of text.split(',').entries()) {
    const digits = KEY.exec(part.trim())?.[1];
    if (digits === undefined) {
      throw new Error(
        `key ${index + 1} is not 64 hexadecimal digits: make one with \`openssl rand -hex 32\``,
      );
    }
    const key = Buffer.from(digits, 'hex');
    const id = createHash('sha256').update(key).digest('hex').slice(0, 8);
    if (keys.has(id)) throw new Error(`key ${index + 1} is there twice`);
    keys.set(id, createSecretKey(key));
  }
  const [current = ''] = keys.keys();
  return { current, keys };
}

/**
 * Encrypts secrets with AES-256-GCM into `v1.keyId.nonce.tag.ciphertext` (the last three in base64url). The tag covers
 * the place and the key's id as well, so that a ciphertext cannot be moved to another row, table or owner.
 */
export class Encryption {
  constructor(private readonly ring: KeyRing) {}

  /** What every ciphertext of the current key starts with: a query for the others finds what a rotation has left to do. */
  get currentPrefix(): string {
    return `${VERSION}.${this.ring.current}.`;
  }

  encrypt(plaintext: string, place: Place): string {
    const keyId = this.ring.current;
    const nonce = randomBytes(NONCE_LENGTH);
    const cipher = createCipheriv(ALGORITHM, this.keyOf(keyId), nonce, { authTagLength: TAG_LENGTH });
    cipher.setAAD(associatedData(place, keyId));
    const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
    const parts = [nonce, cipher.getAuthTag(), ciphertext].map((part) => part.toString('base64url'));
    return [VERSION, keyId, ...parts].join('.');
  }

  /** @throws DecryptionError where anything differs from what `encrypt` wrote for this place, or its key is gone */
  decrypt(message: string, place: Place): string {
    const [version, keyId = '', ...rest] = message.split('.');
    const [nonce, tag, ciphertext] = rest.map(fromBase64url);
    if (version !== VERSION || rest.length !== 3 || ciphertext === undefined) {
      throw new DecryptionError('This is no ciphertext of a format that is known here.');
    }
    if (nonce?.length !== NONCE_LENGTH || tag?.length !== TAG_LENGTH) {
      throw new DecryptionError('The nonce or the tag has been cut short or made longer.');
    }
    const decipher = createDecipheriv(ALGORITHM, this.keyOf(keyId), nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(associatedData(place, keyId));
    decipher.setAuthTag(tag);
    // `update` hands out text that nothing vouches for yet: it leaves this function only after `final`.
    const plaintext = [decipher.update(ciphertext)];
    try {
      plaintext.push(decipher.final());
    } catch (cause) {
      throw new DecryptionError('The ciphertext was changed, or belongs to another place.', { cause });
    }
    return Buffer.concat(plaintext).toString('utf8');
  }

  /**
   * The same secret under the current key.
   *
   * @throws DecryptionError
   */
  rotate(message: string, place: Place): string {
    return message.startsWith(this.currentPrefix)
      ? message
      : this.encrypt(this.decrypt(message, place), place);
  }

  private keyOf(keyId: string): KeyObject {
    const key = this.ring.keys.get(keyId);
    if (key === undefined) {
      throw new DecryptionError(`The key ${JSON.stringify(keyId.slice(0, 8))} is not in the key ring.`);
    }
    return key;
  }
}

/** JSON keeps the members apart, whatever they hold. */
function associatedData({ table, row, owner }: Place, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([VERSION, table, row, owner, keyId]));
}

/** `undefined` for text that is not base64url as we write it: Node would read other spellings of the same bytes too. */
function fromBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
