/** What checkpoints and receipts ask, stands on indexes, on empty tables and on those of a year. */
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Reader, ReadPool } from '#platform/postgres/read-pool.ts';
import { failuresByAddedColumn } from '../../../../tests/added-column.ts';
import { cloneTestDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { TENANT } from '../../../../tests/engine.ts';
import { payEveryEnding } from '../../../../tests/paid-installation.ts';
import { hotPlan, readPlan } from '../../../../tests/query-plan.ts';
import { SAGA_TOPICS } from '../seen-event.ts';
import { listCheckpoints, listStandings, listStandingsOf, listStrayStandings } from './audit.ts';
import { CheckpointReads } from './checkpoint-reads.ts';
import { FIND_LAST_CHECKPOINT, READ_CHAIN, READ_LOGS_NOW, readBatchPages } from './checkpoint-store.ts';
import { Receipts } from './receipts.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

let database: TestDatabase;
let owner: Client;
let pool: ReadPool;
let payment: string;

beforeAll(async () => {
  const paid = await payEveryEnding();
  payment = paid.completed[0] as string;
  database = await cloneTestDatabase(paid.database);
  await paid.database.drop();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  pool = new ReadPool({ url: database.url, onError: () => undefined });
});

afterAll(async () => {
  await Promise.all([pool.close(), owner.end()]);
  await database.drop();
});

/** Heads and positions have a row per partition and no more. */
function ofGrowing(faults: readonly string[]): string[] {
  return faults.filter((fault) => !/\b(heads|positions)\b/.test(fault));
}

const HOT = [FIND_LAST_CHECKPOINT, READ_CHAIN, READ_LOGS_NOW, readBatchPages('ledger')];

test('no statement fails in a live session when a migration adds a column', async () => {
  const tables = ['integrity.checkpoints', 'integrity.checkpoint_logs', 'ledger.batches'];
  expect(await failuresByAddedColumn(database.url, { tables, statements: HOT })).toEqual([]);
});

function pinPlans(): void {
  test.each([
    [FIND_LAST_CHECKPOINT, 'checkpoints_pkey'],
    [READ_CHAIN, 'checkpoints_pkey'],
    [READ_LOGS_NOW, 'checkpoint_logs_pkey'],
    [readBatchPages('ledger'), 'batches_pkey'],
  ] as const)('$name looks up, whatever it is given', async (statement, index) => {
    const plan = await hotPlan(database.url, statement);
    expect(plan.indexes).toContain(index);
    expect(ofGrowing(plan.faults)).toEqual([]);
  });
}

describe('on small tables', () => {
  pinPlans();
});

/** Asks the database, and keeps what was asked. */
class RecordingReader implements Reader {
  readonly asked: { text: string; values: readonly unknown[] }[] = [];

  query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    this.asked.push({ text, values });
    return pool.query<Row>(text, values);
  }
}

describe('on large tables', () => {
  beforeAll(async () => {
    const n = `generate_series(100, ${ROWS}) n`;
    await owner.query(
      `insert into integrity.checkpoints select n, '{}', decode(repeat('00', 64), 'hex'), now() from ${n};
       insert into integrity.checkpoint_logs
       select n, 'ledger', p, n * 1000, n * 1000, sha256(''), 0, 0, sha256('')
       from ${n}, generate_series(0, 3) p`,
    );
    for (const topic of SAGA_TOPICS)
      await owner.query(
        `insert into "${topic}".batches select 0, 100000 + n, 1, sha256(''), sha256('') from ${n};
         insert into "${topic}".events
         select 0, 100000 + n, 'tick', 1, 'pay_' || n, '${TENANT}', 'k', '{}', now(), 'c', 'r' from ${n}`,
      );
    await owner.query('vacuum analyze');
  });

  pinPlans();

  const of = (reader: Reader) => new CheckpointReads(reader);
  test.each<[string, (reader: Reader) => Promise<unknown>]>([
    ['a page of checkpoints', (reader) => of(reader).list(10_000n, 51)],
    ['a checkpoint', (reader) => of(reader).find(2)],
    ['where the logs stood at an early checkpoint', (reader) => of(reader).standingsAt(2)],
    [
      'a receipt',
      (reader) =>
        new Receipts(reader, SAGA_TOPICS, of(reader)).find(
          { payment_id: payment },
          { tenant: TENANT, subject: payment },
        ),
    ],
    ['checkpoints for an audit', (reader) => listCheckpoints(reader, { after: 500, upTo: 900, limit: 50 })],
    ['standings for an audit', (reader) => listStandings(reader, { after: 500, upTo: 550 })],
    ['standings of no log', (reader) => listStrayStandings(reader, 100)],
    [
      'standings of a partition for an audit',
      (reader) =>
        listStandingsOf(reader, { topic: 'ledger', partition: 1 }, { after: 500, upTo: 900, limit: 50 }),
    ],
  ])('%s is read by look-ups', async (_what, read) => {
    const reader = new RecordingReader();
    expect(await read(reader)).toBeTruthy();
    const plans = await Promise.all(
      reader.asked.map(({ text, values }) => readPlan(database.url, text, values)),
    );
    expect(plans.flatMap(({ faults }) => ofGrowing(faults))).toEqual([]);
  });
});
