/** Cards that were used in every way there is, and told of to a webhook, at rest. */
import { systemClock } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { openCards } from './card-fixture.ts';
import type { TestDatabase } from './database.ts';
import { DELIVERIES } from './redelivery.ts';

/** Nobody is connected to the database when it resolves. */
export async function useCards(): Promise<TestDatabase> {
  const fixture = await openCards();
  const cards = await fixture.process();
  const balances = { FOOD: 500, MEAL: 1000, CASH: 700 };
  for (const account of ['123', '124'])
    await cards.order({ operation: 'cards.create', account, currency: 'BRL', balances });
  await cards.order({ operation: 'cards.block', account: '124' });
  const rules = [{ pattern: 'PADARIA', match: 'prefix', category: 'FOOD' }] as const;
  await cards.order({ operation: 'merchant_rules.replace', version: 0, rules });
  const buy = async (totalAmount: number, more: Record<string, unknown> = {}) => {
    const { cardTransaction } = await cards.purchase({
      account: '123',
      totalAmount,
      merchant: 'BAR',
      ...more,
    });
    return idOf('ctx', cardTransaction.uuid);
  };
  await buy(1, { id: 'a' });
  await buy(99);
  await buy(0);
  await buy(1, { capture: false, id: 'open' });
  const reversed = await buy(2, { id: 'b' });
  const captured = await buy(3, { capture: false, id: 'c' });
  const released = await buy(4, { capture: false, id: 'd' });
  await cards.order(
    { operation: 'card_transactions.reverse', card_transaction_id: reversed, amount: 50 },
    'reversal',
  );
  await cards.order({ operation: 'card_transactions.capture', card_transaction_id: captured }, 'capture');
  await cards.order({ operation: 'card_transactions.reverse', card_transaction_id: released }, 'release');
  await fixture.owner.query(
    `insert into notification.endpoints (id, tenant, kind, url, events, signature, secret_version, status, created_at, updated_at)
     values (gen_random_uuid(), 'acme', 'endpoint', 'https://partner.example', '{*}', 'v1', 1, 'enabled', '2026-01-01', '2026-01-01')`,
  );
  await DELIVERIES['webhooks']?.(fixture.url, { batchMax: 500, clock: systemClock });
  await DELIVERIES['card-notification']?.(fixture.url, { batchMax: 500, clock: systemClock });
  return fixture.leave();
}
