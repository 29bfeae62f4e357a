import type { FactoryProvider } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { REDIS } from '../common/redis/redis.module.js';
import { ScopedPool } from '../database/scoped-pool.js';
import { DEPENDENCIES, type Dependency } from './dependency.js';

/** What readiness asks. */
export const dependencies: FactoryProvider<Dependency[]> = {
  provide: DEPENDENCIES,
  inject: [ScopedPool, REDIS],
  useFactory: (pool: ScopedPool, redis: Redis) => [
    { name: 'database', ping: () => pool.ping() },
    { name: 'valkey', ping: () => redis.ping() },
  ],
};
