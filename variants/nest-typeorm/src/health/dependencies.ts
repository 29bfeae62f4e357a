import type { FactoryProvider } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** Something that the service cannot do without. */
export interface Dependency {
  /** As readiness reports it. */
  readonly name: string;
  /** Rejects where it does not answer. */
  readonly ping: () => Promise<unknown>;
}

export const DEPENDENCIES = Symbol('DEPENDENCIES');

/** What readiness asks. */
export const dependencies: FactoryProvider<Dependency[]> = {
  provide: DEPENDENCIES,
  inject: [DataSource],
  useFactory: (dataSource: DataSource) => [{ name: 'database', ping: () => dataSource.query('SELECT 1') }],
};
