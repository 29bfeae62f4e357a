import type { GoogleResourceKind } from '../../generated/prisma/enums.js';

/** Something that Google has, as it is there now. */
export interface Found {
  /** Google's name of it. */
  readonly path: string;
  readonly name: string;
  /** The id that people know it by. */
  readonly publicId: string;
}

/** Where a sync reads one kind of thing from, part by part. */
export interface SyncSource {
  readonly kind: GoogleResourceKind;
  /** What the things are under, e.g. the accounts of Tag Manager. */
  parents(connectionId: string): Promise<string[]>;
  read(connectionId: string, parent: string): Promise<Found[]>;
}
