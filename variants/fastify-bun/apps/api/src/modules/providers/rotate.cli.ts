import { createDatabase, createPool } from '../../shared/db/client.js';
import { configOrExit, readRotationConfig } from '../../shared/lib/config/config.js';
import { Encryption } from '../../shared/lib/encryption.js';
import { createLogger } from '../../shared/lib/logging/logger.js';
import { createProvidersRepository } from './repository.js';
import { createProvidersService } from './service.js';

// `bun run keys:rotate`: after a new key was put first in ENCRYPTION_KEYS, and before the old one is dropped.
if (process.argv.length > 2) {
  process.stderr.write('usage: bun apps/api/src/modules/providers/rotate.cli.ts\n');
  process.exit(2);
}
const config = configOrExit(readRotationConfig);
const pool = createPool(config, 'keys:rotate');
const callNobody = () => {
  throw new Error('a rotation calls no provider');
};
const service = createProvidersService({
  repository: createProvidersRepository(createDatabase(pool)),
  encryption: new Encryption(config.ENCRYPTION_KEYS),
  openModel: callNobody,
  tests: {
    openModel: callNobody,
    running: { begin: callNobody, count: callNobody },
    max: 0,
    timeoutMs: 0,
    answerMs: 0,
  },
  allowedHosts: [],
  log: createLogger(config),
});
const { rewritten, unreadable, left } = await service.rotate();
await pool.end();
process.stdout.write(
  `keys: encrypted ${rewritten} anew; ${unreadable} could not be read and stay as they are\n`,
);
if (left > 0)
  process.stdout.write(`keys: ${left} were being changed; run this again before you drop a key\n`);
if (unreadable > 0 || left > 0) process.exitCode = 1;
