import type { Prisma } from '../generated/prisma/client.js';

type Model = Prisma.ModelName;
type Objects<Name extends Model> = Prisma.TypeMap['model'][Name]['payload']['objects'];
type Target<Payload> =
  NonNullable<Payload> extends readonly (infer Item)[]
    ? { readonly model: NameOf<Item>; readonly isList: true }
    : { readonly model: NameOf<NonNullable<Payload>>; readonly isList: false };
type NameOf<Payload> = Payload extends { name: infer Name extends Model } ? Name : never;

/** Where a relation leads. */
export interface Relation {
  readonly model: Model;
  readonly isList: boolean;
}

const one = <const Name extends Model>(model: Name) => ({ model, isList: false }) as const;
const many = <const Name extends Model>(model: Name) => ({ model, isList: true }) as const;

/** Every relation of the schema. One that is missing, or leads elsewhere, does not compile. */
export const RELATIONS: { readonly [Name in Model]: Readonly<Record<string, Relation>> } = {
  User: { memberships: many('Membership') },
  Organization: {
    memberships: many('Membership'),
    invitations: many('Invitation'),
    customers: many('Customer'),
    trackings: many('Tracking'),
    connections: many('GoogleConnection'),
    syncRuns: many('SyncRun'),
    auditLog: many('AuditLog'),
    idempotencyKeys: many('IdempotencyKey'),
  },
  Membership: { organization: one('Organization'), user: one('User') },
  Invitation: { organization: one('Organization') },
  Customer: { organization: one('Organization'), trackings: many('Tracking') },
  Tracking: { organization: one('Organization'), customer: one('Customer') },
  GoogleConnection: { organization: one('Organization'), syncRuns: many('SyncRun') },
  SyncRun: { organization: one('Organization'), connection: one('GoogleConnection') },
  AuditLog: { organization: one('Organization') },
  IdempotencyKey: { organization: one('Organization') },
} satisfies {
  readonly [Name in Model]: { readonly [Field in keyof Objects<Name>]: Target<Objects<Name>[Field]> };
};
