import { Injectable } from '@nestjs/common';
import { hash, verify } from '@node-rs/argon2';

/** Argon2id with the parameters that OWASP's Password Storage Cheat Sheet names first. */
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** What an unknown account is checked against, so that it takes as long as a known one. */
const NOBODYS_HASH = await hash('nobody has this password', ARGON2);

@Injectable()
export class PasswordsService {
  hash(password: string): Promise<string> {
    return hash(password, ARGON2);
  }

  /** False, and after the same time, where there is no account. */
  async matches(stored: string | undefined, password: string): Promise<boolean> {
    const matches = await verify(stored ?? NOBODYS_HASH, password);
    return matches && stored !== undefined;
  }
}
