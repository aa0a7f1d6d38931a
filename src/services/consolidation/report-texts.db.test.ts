/** RT1, RT2: a text that is gone on with is, byte for byte, the one that is made of nothing. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowFormat } from '#platform/http/row-format.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session, type Statement } from '#platform/postgres/session.ts';
import { rowsOf } from '../../../tests/consolidation-desk.ts';
import { createProductDatabase, type TestDatabase } from '../../../tests/database.ts';
import { type Engine, startEngine, TENANT } from '../../../tests/engine.ts';
import { SeededRandom } from '../../../tests/seeded-random.ts';
import { DayReads } from './reads.ts';
import { ReportCache } from './report-cache.ts';
import { type AskedRange, Reports } from './reports.ts';

/** Counts the rows of days that are read. */
class CountingSession extends Session {
  rows = 0;

  override async query<Row>(query: Statement, values: readonly unknown[]): Promise<Row[]> {
    const rows = await super.query<Row>(query, values);
    this.rows += rows.length;
    return rows;
  }
}

const YEAR = { from: '2026-01-01', to: '2026-12-31' };
const RANGES: readonly AskedRange[] = [
  YEAR,
  { from: '2026-03-01', to: '2026-03-31' },
  { from: '2026-03-02' },
  { from: '2027-01-01', to: '2027-01-03' },
  { from: '2025-12-30', to: '2025-12-31' },
];

let database: TestDatabase;
let engine: Engine;
let looks: Session;
let days: CountingSession;
let reader: ReadPool;
let reads: DayReads;
let keeping: Reports;

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url);
  await engine.openAccounts(['book', 'other'].map((id) => ({ id, kind: 'cashbook', time_zone: 'UTC' })));
  looks = new Session({ url: database.url, name: 'looks' });
  days = new CountingSession({ url: database.url, name: 'days' });
  reader = new ReadPool({ url: database.url, onError: () => undefined });
  reads = new DayReads({ looks, days, reader });
  keeping = new Reports(reads, new ReportCache());
});

afterAll(async () => {
  await Promise.all([looks, days, reader].map((each) => each.close()));
  await engine.close();
  await database.drop();
});

async function record(day: string, amountMinor = 5n, back = false): Promise<void> {
  const [from, to] = back ? ['book', 'other'] : ['other', 'book'];
  await engine.transfer({ from, to, amountMinor }, { effective_on: day });
  await engine.settled(['consolidation']);
}

async function textOf(reports: Reports, range: AskedRange, format: RowFormat): Promise<string> {
  const made = await reports.ofAccount({ tenant: TENANT, id: 'book' }, range);
  if (!made.ok) throw new Error(made.problem.detail);
  return (await made.value.text(format)).toString();
}

async function allTexts(reports: Reports): Promise<string[]> {
  const texts: string[] = [];
  for (const range of RANGES)
    for (const format of ['json', 'csv'] as const) texts.push(await textOf(reports, range, format));
  return texts;
}

function ofNothing(): Reports {
  return new Reports(reads, new ReportCache());
}

/** As the owner, and as whoever changes days says so. */
async function falsify(sql: string): Promise<void> {
  await rowsOf(database.url, sql);
  await rowsOf(database.url, `update consolidation.standings set change = nextval('consolidation.changes')`);
}

async function rowsReadFor(range: AskedRange): Promise<number> {
  const before = days.rows;
  await textOf(keeping, range, 'json');
  return days.rows - before;
}

test('F3: an entry of the last day reads that day and the one before it, a late one all of them', async () => {
  for (const day of ['2026-02-01', '2026-02-02', '2026-02-03']) await record(day);
  expect(await rowsReadFor(YEAR)).toBe(3);
  expect(await rowsReadFor(YEAR)).toBe(0);
  await record('2026-02-03');
  expect(await rowsReadFor(YEAR)).toBe(2);
  await record('2026-02-02');
  expect(await rowsReadFor(YEAR)).toBe(2 + 3);
  expect(await allTexts(keeping)).toEqual(await allTexts(ofNothing()));
});

test('F3: what many ask for at once is read once', async () => {
  const fresh = ofNothing();
  const before = days.rows;
  const texts = await Promise.all(Array.from({ length: 50 }, () => textOf(fresh, YEAR, 'json')));
  expect([new Set(texts).size, days.rows - before]).toEqual([1, 3]);
});

describe('F3: what is kept of a text is forgotten', () => {
  test('when what came and what went on an earlier day are equal, so that no balance moves', async () => {
    await record('2026-02-01', 7n);
    await allTexts(keeping);
    await engine.transfer({ from: 'other', to: 'book', amountMinor: 3n }, { effective_on: '2026-02-01' });
    await engine.transfer({ from: 'book', to: 'other', amountMinor: 3n }, { effective_on: '2026-02-01' });
    await engine.settled(['consolidation']);
    expect(await allTexts(keeping)).toEqual(await allTexts(ofNothing()));
  });

  test.each([
    ['an earlier day is sealed', `update consolidation.days set sealed_at = now() where day = '2026-02-02'`],
    [
      'a rebuild moves a row to another day',
      `update consolidation.days set day = '2026-01-31' where day = '2026-02-01'`,
    ],
    ['a day is gone', `delete from consolidation.days where day < '2026-02-03'`],
  ])('when %s', async (_what, sql) => {
    await allTexts(keeping);
    await falsify(sql);
    expect(await allTexts(keeping)).toEqual(await allTexts(ofNothing()));
  });
});

test('F3: after any entries of any days every text is the one that is made of nothing', async () => {
  const seed = Number(process.env['LASTRO_SEED'] ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (let step = 0; step < 40; step++) {
    const day = new Date(Date.UTC(2025, 11, 29) + random.between(0, 370) * 86_400_000)
      .toISOString()
      .slice(0, 10);
    const isLast = random.between(0, 1) === 0;
    await record(isLast ? '2027-01-02' : day, BigInt(random.between(1, 99)), random.between(0, 1) === 0);
    expect(await allTexts(keeping)).toEqual(await allTexts(ofNothing()));
  }
});
