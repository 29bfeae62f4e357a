import type { Database } from './database.js';

/** Fixed ids, so that a second run adds nothing and examples in documents stay true. */
export const SAMPLE = {
  organizationId: '01990000-0000-7000-8000-000000000001',
  userId: '01990000-0000-7000-8000-000000000002',
  /** As scripts/services/firebase names her. */
  firebaseUid: 'local:ada@example.com',
  email: 'ada@example.com',
} as const;

const CUSTOMERS = [
  { id: '01990000-0000-7000-8000-000000000011', name: 'Corner Bakery', email: 'hello@bakery.example' },
  { id: '01990000-0000-7000-8000-000000000012', name: 'River Cycles', email: 'shop@cycles.example' },
];

const TRACKINGS = [
  { customer: 0, name: 'Order button', kind: 'BUTTON_CLICK', selector: '#order' },
  { customer: 0, name: 'Contact form', kind: 'FORM_SUBMISSION', selector: 'form.contact' },
  { customer: 1, name: 'Call', kind: 'PHONE_CALL', selector: 'a[href^="tel:"]' },
] as const;

/**
 * Adds a sample organization, its owner, customers and trackings, where they are not there yet.
 *
 * @returns how many rows were added
 */
export async function seed(database: Database): Promise<number> {
  const { organizationId, userId, firebaseUid, email } = SAMPLE;
  const users = await database.run({ firebaseUid, verifiedEmail: email, userId }, () =>
    database.client.user.createMany({
      data: { id: userId, firebaseUid, email, name: 'Ada Lovelace' },
      skipDuplicates: true,
    }),
  );
  const rows = await database.run({ organizationId, userId }, () =>
    database.transaction(async (client) => {
      const skipDuplicates = true;
      return [
        await client.organization.createMany({ data: { id: organizationId, name: 'Acme' }, skipDuplicates }),
        await client.membership.createMany({ data: { userId, role: 'OWNER' }, skipDuplicates }),
        await client.customer.createMany({ data: CUSTOMERS, skipDuplicates }),
        await client.tracking.createMany({
          data: TRACKINGS.map(({ customer, ...tracking }, index) => ({
            id: `01990000-0000-7000-8000-00000000002${index}`,
            customerId: CUSTOMERS[customer]?.id ?? '',
            ...tracking,
          })),
          skipDuplicates,
        }),
      ];
    }),
  );
  return [users, ...rows].reduce((total, { count }) => total + count, 0);
}
