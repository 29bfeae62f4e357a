import type { FactoryProvider } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { DEPENDENCIES, type Dependency } from './dependency.js';

/** What readiness asks. */
export const dependencies: FactoryProvider<Dependency[]> = {
  provide: DEPENDENCIES,
  inject: [DataSource],
  useFactory: (dataSource: DataSource) => [{ name: 'database', ping: () => dataSource.query('SELECT 1') }],
};
