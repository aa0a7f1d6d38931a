import { afterAll, beforeAll, expect, test } from 'vitest';
import { Session } from '#platform/postgres/session.ts';
import { OwnedDatabase } from '../../../tests/owned-database.ts';
import type { StatusChange } from './payment-status.ts';
import { updateStatuses } from './store.ts';

const TENANT = 'acme';
const PAYMENT = '01a1d2b6-4ca8-78a9-4544-cf2fd7d28367';
const NOW = Date.parse('2026-01-01T00:00:00Z');

let database: OwnedDatabase;
let session: Session;

beforeAll(async () => {
  database = await OwnedDatabase.open();
  session = new Session({ url: database.url, name: 'payments' });
  await database.owner.query(
    `insert into payments.payments (tenant, id, wallet_id, service_id, amount, currency, method, status, correlation_id,
                                    created_at, updated_at)
     values ($1, $2, 'w', 's', 100, 'USD', 'gateway', 'pending', 'c', $3, $3)`,
    [TENANT, PAYMENT, new Date(NOW)],
  );
});

afterAll(async () => {
  await session.close();
  await database.close();
});

function say(status: StatusChange['status'], position: number): Promise<void> {
  const change: StatusChange = {
    tenant: TENANT,
    uuid: PAYMENT,
    status,
    failure: null,
    at: NOW,
    position,
    method: 'gateway',
  };
  return session.transaction(async (tx) => updateStatuses(tx, [change]));
}

async function waiting(): Promise<unknown[]> {
  return (
    await database.owner.query<{ payment_id: string }>('select payment_id from payments.reconciliations')
  ).rows;
}

test('what waits for a person is listed until it has ended, whatever of before is told again (U3)', async () => {
  await say('reconciliation_required', 7);
  expect(await waiting()).toEqual([{ payment_id: PAYMENT }]);
  await say('failed', 5);
  expect(await waiting()).toEqual([{ payment_id: PAYMENT }]);
  await say('reconciliation_required', 7);
  expect(await waiting()).toEqual([{ payment_id: PAYMENT }]);
  await say('completed', 9);
  await say('reconciliation_required', 7);
  expect(await waiting()).toEqual([]);
});
