/** A small installation in which payments came to every end there is, settled and at rest. */
import type { PaymentId } from '#kernel/ids.ts';
import { openCheckpointDesk } from './checkpoints.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, type EngineOptions, startEngine } from './engine.ts';

export interface PaidInstallation {
  readonly database: TestDatabase;
  readonly completed: readonly PaymentId[];
  readonly declined: readonly PaymentId[];
  readonly rejected: readonly PaymentId[];
  /** Their posting was refused after their funds were held. */
  readonly failed: readonly PaymentId[];
}

/** Two checkpoints cover it. Nobody is connected to the database when it resolves. */
export async function payEveryEnding(options: EngineOptions = {}): Promise<PaidInstallation> {
  const database = await createProductDatabase();
  const engine = await startEngine(database.url, options);
  const desk = await openCheckpointDesk(database.url);
  try {
    const paid = await payWith(engine, async () => {
      await desk.take();
    });
    await desk.take();
    return { database, ...paid };
  } finally {
    await desk.close();
    await engine.close();
  }
}

/** Opens its own accounts, so it can be called once for an engine. `halfway` runs while others still are to pay. */
export async function payWith(
  engine: Engine,
  halfway: () => Promise<void> = () => Promise.resolve(),
): Promise<Omit<PaidInstallation, 'database'>> {
  await engine.openAccounts([
    {
      id: 'wallet',
      kind: 'wallet',
      fundedMinor: 100_000n,
      name: 'Ana’s',
      metadata: { z: 1, a: [{ b: null }] },
    },
    { id: 'other-wallet', kind: 'wallet', fundedMinor: 5_000n },
    { id: 'euros', kind: 'wallet', currency: 'EUR', fundedMinor: 700n },
    { id: 'service', kind: 'service', floorMinor: -50n, time_zone: 'Europe/Lisbon' },
    { id: 'closing', kind: 'service' },
  ]);
  await engine.transfer(
    { from: 'other-wallet', to: 'service', amountMinor: 25n },
    { description: 'a correction', reference: 'c-1', effective_on: '2026-01-31' },
  );
  const failed = await refusePostings(engine);
  const completed = await submitAll(engine, [
    ...Array.from({ length: 12 }, (_, index) => ({ amount: 100 + index })),
    ...Array.from({ length: 6 }, (_, index) => ({ wallet_id: 'other-wallet', amount: 10 + index })),
    { reference: 'invoice-7', description: 'Two lamps, "brass" ☼', metadata: { order: 7, tags: ['a', 'b'] } },
  ]);
  await engine.settled();
  await halfway();
  const declined = await submitAll(engine, [
    { amount: 1_000_000 },
    { amount: 2_000_000, reference: 'invoice-8' },
  ]);
  const rejected = await submitAll(engine, [{ service_id: 'nobody' }, { wallet_id: 'euros' }]);
  await engine.settled();
  return { completed, declined, rejected, failed };
}

type Order = Parameters<Engine['submit']>[0];

async function submitAll(engine: Engine, orders: readonly Order[]): Promise<PaymentId[]> {
  const submitted = await Promise.all(orders.map((order) => engine.submit(order)));
  return submitted.map(({ id }) => id);
}

/** The payee is closed between the hold and the posting. */
async function refusePostings(engine: Engine): Promise<PaymentId[]> {
  engine.pause('ledger');
  const orders = [
    { service_id: 'closing', amount: 40 },
    { service_id: 'closing', amount: 50, reference: 'invoice-9' },
  ];
  const failed = await submitAll(engine, orders);
  await engine.settled(['validation', 'authorization']);
  await engine.closeAccount('closing');
  engine.resume('ledger');
  return failed;
}
