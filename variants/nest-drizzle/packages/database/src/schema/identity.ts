import { ROLES } from '@app/shared';
import { sql } from 'drizzle-orm';
import {
  bigint,
  foreignKey,
  index,
  integer,
  pgEnum,
  pgPolicy,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytea, timestamps } from './columns.js';
import { currentTenant, currentUser, expiryPolicies, tenantPolicies } from './tenancy.js';

/** What log-in has been given: the policies below let it see the one row that belongs to that, and no other. */
const loginEmail = sql`(SELECT nullif(current_setting('app.login_email', true), ''))`;
const invitationHash = sql`(SELECT decode(nullif(current_setting('app.invitation_hash', true), ''), 'hex'))`;
const mailTokenHash = sql`(SELECT decode(nullif(current_setting('app.mail_token_hash', true), ''), 'hex'))`;
const refreshHash = sql`(SELECT decode(nullif(current_setting('app.refresh_hash', true), ''), 'hex'))`;

export const roleEnum = pgEnum('role', ROLES);

export const tenants = pgTable(
  'tenants',
  { id: uuid('id').primaryKey(), name: text('name').notNull(), ...timestamps },
  (table) => [
    // A user sees the tenants of its memberships as well, to choose one.
    pgPolicy('tenants_select', {
      for: 'select',
      using: sql`${table.id} = ${currentTenant} OR ${table.id} IN (SELECT tenant_id FROM memberships WHERE user_id = ${currentUser})`,
    }),
    pgPolicy('tenants_insert', { for: 'insert', withCheck: sql`${table.id} = ${currentTenant}` }),
    pgPolicy('tenants_update', {
      for: 'update',
      using: sql`${table.id} = ${currentTenant}`,
      withCheck: sql`${table.id} = ${currentTenant}`,
    }),
  ],
).enableRLS();

/** People. They belong to no tenant; a tenant sees those who are its members. */
export const users = pgTable(
  'users',
  {
    id: uuid('id').primaryKey(),
    /** Lower case. */
    email: text('email').notNull(),
    name: text('name').notNull(),
    ...timestamps,
  },
  (table) => [
    uniqueIndex('users_email_key').on(table.email),
    pgPolicy('users_select', {
      for: 'select',
      using: sql`${table.id} = ${currentUser} OR ${table.email} = ${loginEmail}
        OR ${table.id} IN (SELECT user_id FROM memberships WHERE tenant_id = ${currentTenant})`,
    }),
    pgPolicy('users_insert', { for: 'insert', withCheck: sql`${table.id} = ${currentUser}` }),
    pgPolicy('users_update', {
      for: 'update',
      using: sql`${table.id} = ${currentUser}`,
      withCheck: sql`${table.id} = ${currentUser}`,
    }),
  ],
).enableRLS();

/** Passwords, apart from the users: members see each other, and nobody sees this but who logs in. */
export const passwords = pgTable(
  'passwords',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id),
    /** Argon2id, in the PHC string format. */
    hash: text('hash').notNull(),
    ...timestamps,
  },
  (table) => [
    pgPolicy('passwords_select', {
      for: 'select',
      using: sql`${table.userId} = ${currentUser} OR ${table.userId} IN (SELECT id FROM users WHERE email = ${loginEmail})`,
    }),
    pgPolicy('passwords_insert', { for: 'insert', withCheck: sql`${table.userId} = ${currentUser}` }),
    pgPolicy('passwords_update', {
      for: 'update',
      using: sql`${table.userId} = ${currentUser}`,
      withCheck: sql`${table.userId} = ${currentUser}`,
    }),
  ],
).enableRLS();

/**
 * Registrations whose address is not verified yet. The account is created when the token of the mail comes back, so an
 * unverified address has none.
 */
export const registrations = pgTable(
  'registrations',
  {
    /** SHA-256 of the token in the mail. */
    hash: bytea('hash').primaryKey(),
    /** Lower case. */
    email: text('email').notNull(),
    name: text('name').notNull(),
    tenantName: text('tenant_name').notNull(),
    /** Argon2id, in the PHC string format. */
    passwordHash: text('password_hash').notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }).notNull(),
    createdAt: timestamps.createdAt,
  },
  (table) => [
    pgPolicy('registrations_select', { for: 'select', using: sql`${table.hash} = ${mailTokenHash}` }),
    pgPolicy('registrations_insert', { for: 'insert', withCheck: sql`${table.hash} = ${mailTokenHash}` }),
    pgPolicy('registrations_delete', { for: 'delete', using: sql`${table.hash} = ${mailTokenHash}` }),
    ...expiryPolicies('registrations', table.createdAt),
  ],
).enableRLS();

/** Tokens of password resets, hashed. A user may have several: a stranger's request must not end the owner's token. */
export const passwordResets = pgTable(
  'password_resets',
  {
    /** SHA-256 of the token in the mail. */
    hash: bytea('hash').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }).notNull(),
    createdAt: timestamps.createdAt,
  },
  (table) => [
    index('password_resets_user_idx').on(table.userId),
    pgPolicy('password_resets_select', {
      for: 'select',
      using: sql`${table.userId} = ${currentUser} OR ${table.hash} = ${mailTokenHash}`,
    }),
    pgPolicy('password_resets_insert', { for: 'insert', withCheck: sql`${table.userId} = ${currentUser}` }),
    pgPolicy('password_resets_delete', { for: 'delete', using: sql`${table.userId} = ${currentUser}` }),
    ...expiryPolicies('password_resets', table.createdAt),
  ],
).enableRLS();

/** How often log-in was tried; the columns are those of rate-limiter-flexible. Keys are hashes, so a row tells nothing. */
export const rateLimits = pgTable(
  'rate_limits',
  {
    key: text('key').primaryKey(),
    points: integer('points').notNull().default(0),
    /** Milliseconds since 1970. */
    expire: bigint('expire', { mode: 'number' }),
  },
  () => [pgPolicy('rate_limits_all', { for: 'all', using: sql`true`, withCheck: sql`true` })],
).enableRLS();

/** Who belongs to a tenant, and as what. */
export const memberships = pgTable(
  'memberships',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    role: roleEnum('role').notNull(),
    ...timestamps,
  },
  (table) => [
    primaryKey({ name: 'memberships_pkey', columns: [table.tenantId, table.userId] }),
    index('memberships_user_id_idx').on(table.userId),
    ...tenantPolicies('memberships', table.tenantId, sql`${table.userId} = ${currentUser}`),
  ],
).enableRLS();

/** Refresh tokens, hashed. All that were made of one log-in are a family: a second use of one ends them all. */
export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    tenantId: uuid('tenant_id').notNull(),
    id: uuid('id').notNull(),
    userId: uuid('user_id').notNull(),
    familyId: uuid('family_id').notNull(),
    /** SHA-256 of the token, which is random enough to need no salt. */
    hash: bytea('hash').notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }).notNull(),
    usedAt: timestamp('used_at', { withTimezone: true, precision: 3 }),
    /** Random. With the token itself it gives the token that replaced it, so a repeated refresh returns the same one. */
    successorSalt: bytea('successor_salt'),
    revokedAt: timestamp('revoked_at', { withTimezone: true, precision: 3 }),
    createdAt: timestamps.createdAt,
  },
  (table) => [
    primaryKey({ name: 'refresh_tokens_pkey', columns: [table.tenantId, table.id] }),
    uniqueIndex('refresh_tokens_hash_key').on(table.hash),
    index('refresh_tokens_family_idx').on(table.tenantId, table.familyId),
    index('refresh_tokens_user_idx').on(table.tenantId, table.userId),
    // Whoever is no member any more has no session either.
    foreignKey({
      name: 'refresh_tokens_membership_fkey',
      columns: [table.tenantId, table.userId],
      foreignColumns: [memberships.tenantId, memberships.userId],
    }).onDelete('cascade'),
    ...tenantPolicies('refresh_tokens', table.tenantId, sql`${table.hash} = ${refreshHash}`),
    ...expiryPolicies('refresh_tokens', table.createdAt),
    // A new password ends the user's sessions in every tenant.
    pgPolicy('refresh_tokens_user_select', { for: 'select', using: sql`${table.userId} = ${currentUser}` }),
    pgPolicy('refresh_tokens_user_update', {
      for: 'update',
      using: sql`${table.userId} = ${currentUser}`,
      withCheck: sql`${table.userId} = ${currentUser}`,
    }),
  ],
).enableRLS();

/** Invitations to a tenant. Whoever has the token may accept, once. */
export const invitations = pgTable(
  'invitations',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    id: uuid('id').notNull(),
    email: text('email').notNull(),
    role: roleEnum('role').notNull(),
    /** The member whose right to invite counts when it is accepted. Null in rows from before 0.3.0, which are void. */
    invitedBy: uuid('invited_by'),
    /** SHA-256 of the token. */
    hash: bytea('hash').notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }).notNull(),
    acceptedAt: timestamp('accepted_at', { withTimezone: true, precision: 3 }),
    createdAt: timestamps.createdAt,
  },
  (table) => [
    primaryKey({ name: 'invitations_pkey', columns: [table.tenantId, table.id] }),
    uniqueIndex('invitations_hash_key').on(table.hash),
    index('invitations_created_at_idx').on(table.tenantId, table.createdAt, table.id),
    index('invitations_invited_by_idx').on(table.tenantId, table.invitedBy),
    // The invitations of a removed member are void.
    foreignKey({
      name: 'invitations_invited_by_fkey',
      columns: [table.tenantId, table.invitedBy],
      foreignColumns: [memberships.tenantId, memberships.userId],
    }).onDelete('cascade'),
    ...tenantPolicies('invitations', table.tenantId, sql`${table.hash} = ${invitationHash}`),
    ...expiryPolicies('invitations', table.createdAt),
  ],
).enableRLS();
