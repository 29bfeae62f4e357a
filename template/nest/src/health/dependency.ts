/** Something that the service cannot do without. */
export interface Dependency {
  /** As readiness reports it. */
  readonly name: string;
  /** Rejects where it does not answer. */
  readonly ping: () => Promise<unknown>;
[%- if variant == 'nest-drizzle' and messaging == 'nats' %]
  /** What readiness tells besides. */
  readonly details?: () => Promise<Record<string, unknown>>;
[%- endif %]
}

/** What readiness asks: `Dependency[]`. */
export const DEPENDENCIES = Symbol('DEPENDENCIES');
