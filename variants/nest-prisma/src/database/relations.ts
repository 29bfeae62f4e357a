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
  /** Whether rows are gone while the row that they lead to is soft-deleted. */
  readonly isNeeded?: boolean;
}

const one = <const Name extends Model>(model: Name) => ({ model, isList: false }) as const;
/** A row without which those that lead to it are gone: what is soft-deleted takes them along until it is restored. */
const needs = <const Name extends Model>(model: Name) => ({ model, isList: false, isNeeded: true }) as const;
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
    setups: many('TrackingSetup'),
    setupSteps: many('TrackingSetupStep'),
    syncRuns: many('SyncRun'),
    googleResources: many('GoogleResource'),
    deadLetters: many('DeadLetter'),
    auditLog: many('AuditLog'),
    idempotencyKeys: many('IdempotencyKey'),
  },
  Membership: { organization: one('Organization'), user: one('User') },
  Invitation: { organization: one('Organization') },
  Customer: { organization: one('Organization'), trackings: many('Tracking') },
  Tracking: {
    organization: one('Organization'),
    customer: one('Customer'),
    setups: many('TrackingSetup'),
  },
  GoogleConnection: {
    organization: one('Organization'),
    setups: many('TrackingSetup'),
    syncRuns: many('SyncRun'),
    resources: many('GoogleResource'),
  },
  TrackingSetup: {
    organization: one('Organization'),
    tracking: one('Tracking'),
    connection: one('GoogleConnection'),
    steps: many('TrackingSetupStep'),
  },
  TrackingSetupStep: { organization: one('Organization'), setup: one('TrackingSetup') },
  SyncRun: { organization: one('Organization'), connection: one('GoogleConnection') },
  GoogleResource: { organization: one('Organization'), connection: needs('GoogleConnection') },
  DeadLetter: { organization: one('Organization') },
  AuditLog: { organization: one('Organization') },
  IdempotencyKey: { organization: one('Organization') },
} satisfies {
  readonly [Name in Model]: { readonly [Field in keyof Objects<Name>]: Target<Objects<Name>[Field]> };
};
