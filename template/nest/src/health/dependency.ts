/** Something that the service cannot do without. */
export interface Dependency {
  /** As readiness reports it. */
  readonly name: string;
  /** Rejects where it does not answer. */
  readonly ping: () => Promise<unknown>;
}

/** What readiness asks: `Dependency[]`. */
export const DEPENDENCIES = Symbol('DEPENDENCIES');
