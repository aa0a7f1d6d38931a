/**
 * U3, F6: whatever comes in which order around the midnights of four zones, and whatever is done to who counts it, the days are
 * those that PostgreSQL makes of the ledger's postings by its own knowledge of time zones.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ConsolidationProcess,
  counted,
  RECOMPUTED,
  rowsOf,
  STORED,
  startConsolidation,
} from './consolidation-desk.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, PARTITIONS, startEngine, type Transfer } from './engine.ts';
import { setBack } from './redelivery.ts';
import { SeededRandom } from './seeded-random.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const ACCOUNTS = [
  { id: 'sao-paulo', time_zone: 'America/Sao_Paulo' },
  { id: 'utc', time_zone: 'UTC' },
  { id: 'lisbon', time_zone: 'Europe/Lisbon' },
  { id: 'kiritimati', time_zone: 'Pacific/Kiritimati' },
] as const;

/** Some hours before Lisbon's clocks go forward, before they go back, and before the year ends in Kiritimati. */
const STARTS = ['2026-03-28T18:00:00Z', '2026-10-24T18:00:00Z', '2026-12-30T22:00:00Z'] as const;
/** Of each start: together they pass every zone's midnight. */
const ENTRIES = 60;
const STEP_MINUTES = 70;

let now = Date.parse(STARTS[0]);
let database: TestDatabase;
let engine: Engine;

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url, { clock: { now: () => now } });
  engine.pause('consolidation'); // processes of their own do it
  for (const month of ['2026-03', '2026-10', '2026-12', '2027-01'])
    await rowsOf(database.url, 'select ledger.add_posting_month($1::date)', [`${month}-01`]);
  await engine.openAccounts(ACCOUNTS.map((account) => ({ ...account, kind: 'cashbook' })));
});

afterAll(async () => {
  await engine.close();
  await database.drop();
});

/** Who counts: now and then stopped, and begun anew with other partitions; some are worked on by two, which both believe it. */
class Counters {
  readonly #random: SeededRandom;
  #running: ConsolidationProcess[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  async restart(): Promise<void> {
    await this.stop();
    const split = this.#random.between(0, PARTITIONS);
    const overlap = this.#random.between(0, 1);
    const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    const shares = [all.slice(0, split + overlap), all.slice(split)];
    this.#running = await Promise.all(
      shares.map((partitions) =>
        startConsolidation(database.url, { partitions, batchMax: this.#random.between(1, 20) }),
      ),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((process) => process.stop()));
  }
}

/** Of now, or of a day before; some are given back, at once or later. */
async function post(random: SeededRandom, posted: Transfer[]): Promise<void> {
  now += random.between(0, STEP_MINUTES) * MINUTE_MS;
  const [from, to] = [random.pick(ACCOUNTS).id, random.pick(ACCOUNTS).id];
  const given =
    random.between(0, 4) === 0 ? posted.splice(random.between(0, posted.length), 1)[0] : undefined;
  const transfer =
    given === undefined
      ? { from, to, amountMinor: BigInt(random.between(1, 1000)) }
      : { ...given, from: given.to, to: given.from };
  if (transfer.from === transfer.to) return;
  const late = new Date(now - random.between(0, 4) * DAY_MS).toISOString().slice(0, 10);
  await engine.transfer(transfer, random.between(0, 1) === 0 ? {} : { effective_on: late });
  if (given === undefined) posted.push(transfer);
}

test('U3, U4, F6: entries around midnights, late ones, reversals, restarts and re-deliveries give the days of a plain recomputation', async () => {
  const seed = Number(process.env['LASTRO_SEED'] ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const counters = new Counters(random);
  const posted: Transfer[] = [];
  try {
    for (const start of STARTS) {
      now = Math.max(now, Date.parse(start));
      for (let entry = 0; entry < ENTRIES; entry++) {
        if (random.between(0, 14) === 0) await counters.restart();
        if (random.between(0, 29) === 0) await setBack(database.url, ['consolidation']);
        await post(random, posted);
      }
      await counters.restart();
      await counted(database.url);
      const days = await rowsOf(database.url, STORED);
      expect(days).toEqual(await rowsOf(database.url, RECOMPUTED));
      expect(new Set(days.map(({ id }) => id)).size).toBe(ACCOUNTS.length);
    }
  } finally {
    await counters.stop();
  }
  expect(await rowsOf(database.url, 'select from consolidation.waiting')).toEqual([]);
});
