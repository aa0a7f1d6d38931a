/**
 * A small installation in which gateway payments and refunds came to every end there is, and some still wait: all
 * services as they are, with two gateways that do as they are told.
 */
import type { PaymentId } from '#kernel/ids.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { startEngine } from './engine.ts';
import { GatewayDesk, ROUTED_MAX } from './gateway-desk.ts';

/** Nobody is connected to the database when it resolves. */
export async function payThroughGateways(): Promise<TestDatabase> {
  const database = await createProductDatabase();
  const engine = await startEngine(database.url, { gateways: true });
  const desk = await GatewayDesk.open(engine, database);
  try {
    await engine.openAccounts([
      { id: 'wallet', kind: 'wallet', fundedMinor: 100_000n },
      { id: 'service', kind: 'service' },
      { id: 'closing', kind: 'service' },
    ]);
    const payments = await payEveryEnd(desk);
    await compensate(desk);
    await refund(desk, payments);
    desk.tell('charge', { status: 'pending' });
    await desk.charging();
    await desk.close();
    await engine.submit({ method: 'gateway' });
    await engine.settled();
    return database;
  } finally {
    await desk.close();
    await engine.close();
  }
}

async function payEveryEnd(desk: GatewayDesk) {
  const approved = await desk.pay('completed', { reference: 'invoice-1' });
  desk.tell('charge', { status: 'declined' });
  await desk.pay('declined', { reference: 'invoice-2' });
  desk.tell();
  await desk.pay('failed', { amount: ROUTED_MAX + 1 });
  await desk.alfa.refuse();
  await desk.pay('completed', {});
  await desk.alfa.listen();
  desk.tell('charge', { answers: 'never' });
  await desk.pay('completed', {});
  desk.tell('charge', { status: 'pending' });
  const unresolved = () => desk.unresolved();
  const [, late, charged, notCharged] = [
    await unresolved(),
    await unresolved(),
    await unresolved(),
    await unresolved(),
  ];
  await desk.settle(late, 'approved');
  await desk.until('completed', late);
  await desk.resolve(charged, 'charged', 'completed');
  await desk.resolve(notCharged, 'not_charged', 'failed');
  await callOff(desk);
  desk.tell();
  const reversed = await desk.pay('completed', { reference: 'invoice-4' });
  await desk.revoke(reversed);
  const { id: paid } = await desk.engine.submit({ amount: 500 });
  await desk.until('completed', paid);
  return { approved, late, paid };
}

async function callOff(desk: GatewayDesk): Promise<void> {
  await desk.cancel(await desk.pay('authorized', { reference: 'invoice-3' }), 'cancelled');
  desk.tell('charge', { answers: 'never' });
  await desk.cancel(await desk.pay('authorized', {}), 'completed');
  desk.engine.pause('ledger');
  const { id } = await desk.engine.submit({ amount: 40, reference: 'invoice-5' });
  await desk.until('authorized', id);
  await desk.change({ operation: 'payments.cancel', payment_id: id });
  await desk.engine.settled(['validation', 'authorization']);
  desk.engine.resume('ledger');
  await desk.until('cancelled', id);
}

/** The payee is closed between charge and posting: what the provider has charged is given back. */
async function compensate(desk: GatewayDesk): Promise<void> {
  desk.engine.pause('ledger');
  const payments = await Promise.all([1, 2, 3].map(() => desk.submit({ service_id: 'closing' })));
  await desk.wait(async () => {
    const { rows } = await desk.owner.query(`select from "authorization".sagas where state = 'charged'`);
    return rows.length === payments.length;
  });
  await desk.engine.closeAccount('closing');
  let refused = 0;
  // The first is given back; of the others every attempt to do so fails.
  desk.tell('refund', () => (refused++ === 0 ? {} : { status: 'failed' }));
  desk.engine.resume('ledger');
  await desk.wait(async () => {
    await desk.hasten();
    return (await desk.count('reconciliation_required')) === 3 && (await desk.count('compensated')) === 2;
  });
  desk.tell();
  const { rows } = await desk.owner.query<{ subject: string }>(
    `select subject from "authorization".events where type = 'payment.reconciliation_required'
     and data like '%payments.compensation_failed%' order by subject limit 1`,
  );
  await desk.resolve(rows[0]?.subject as PaymentId, 'not_charged', 'compensated');
}

async function refund(
  desk: GatewayDesk,
  { approved, late, paid }: Awaited<ReturnType<typeof payEveryEnd>>,
): Promise<void> {
  await desk.refund(approved, 30, 'completed');
  desk.tell('refund', { status: 'failed' });
  await desk.refund(approved, 10, 'failed');
  desk.tell('refund', { status: 'pending' });
  await desk.refund(approved, 20, 'authorized');
  const [, lateRefund] = [await desk.inDoubt(late), await desk.inDoubt(late)];
  await desk.settle(lateRefund, 'succeeded');
  await desk.until('completed', lateRefund);
  desk.tell();
  await desk.refund(paid, 200, 'completed');
  const { rows } = await desk.owner.query<{ left: string }>(
    `select posted - held as left from ledger.balances b join ledger.accounts a on a.key = b.account_key where a.id = 'service'`,
  );
  await desk.engine.transfer({
    from: 'service',
    to: 'wallet',
    amountMinor: BigInt(rows[0]?.left ?? 0) - 1n,
  });
  await desk.refund(paid, 300, 'declined');
}
