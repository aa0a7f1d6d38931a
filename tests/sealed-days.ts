/** Days that were sealed and opened again, at rest. */
import { startConsolidation } from './consolidation-desk.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { startEngine } from './engine.ts';

const DAY_MS = 86_400_000;

/**
 * Three days: the first two were sealed, by a clock that is ahead, and a late entry opened the first one again. Nobody is
 * connected to the database when it resolves.
 */
export async function sealDays(): Promise<TestDatabase> {
  const database = await createProductDatabase();
  const engine = await startEngine(database.url);
  await engine.openAccounts([
    { id: 'book', kind: 'cashbook', time_zone: 'UTC' },
    { id: 'other', kind: 'cashbook', time_zone: 'UTC' },
  ]);
  for (const day of ['2026-03-01', '2026-03-02'])
    await engine.transfer({ from: 'other', to: 'book', amountMinor: 7n }, { effective_on: day });
  await engine.settled();
  const process = await startConsolidation(database.url, {
    partitions: [],
    clock: { now: () => Date.now() + 2 * DAY_MS },
  });
  for (let turn = 0; turn < 3; turn++) await process.sealer.turn();
  await process.stop();
  await engine.transfer({ from: 'other', to: 'book', amountMinor: 5n }, { effective_on: '2026-03-01' });
  await engine.transfer({ from: 'other', to: 'book', amountMinor: 1n }, { effective_on: '2026-03-03' });
  await engine.settled();
  await engine.close();
  return database;
}
