/** Days over a real database: whatever is done to the processes and the order of events, they are what the postings add up to. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import { partitionOf } from '#kernel/partition-of.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { FENCED } from '#platform/postgres/faults.ts';
import { rebuild } from '#proof/rebuild.ts';
import { verify } from '#proof/verify.ts';
import { WAITING_PAGE } from '#services/consolidation/store.ts';
import { appendEvents } from './append-events.ts';
import {
  type ConsolidationProcess,
  counted,
  type ProcessOptions,
  RECOMPUTED,
  rowsOf,
  STORED,
  startConsolidation,
} from './consolidation-desk.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, PARTITIONS, startEngine, TENANT } from './engine.ts';
import { orderOpenDeadLetters } from './order-dead-letters.ts';
import { setBack } from './redelivery.ts';
import { SeededRandom } from './seeded-random.ts';

const DAY_MS = 86_400_000;
const ACCOUNTS = [
  { id: 'sao-paulo', time_zone: 'America/Sao_Paulo' },
  { id: 'utc', time_zone: 'UTC' },
  { id: 'lisbon', time_zone: 'Europe/Lisbon' },
  { id: 'kiritimati', time_zone: 'Pacific/Kiritimati' },
];

let database: TestDatabase;
let engine: Engine;
const processes: ConsolidationProcess[] = [];

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url, { poison: true });
  // Its own processes do it.
  engine.pause('consolidation');
  await engine.openAccounts(ACCOUNTS.map((account) => ({ ...account, kind: 'cashbook' })));
});

afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process.stop()));
});

afterAll(async () => {
  await engine.close();
  await database.drop();
});

async function start(options: ProcessOptions): Promise<ConsolidationProcess> {
  const process = await startConsolidation(database.url, options);
  processes.push(process);
  return process;
}

function all(): number[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => partition);
}

async function expectDaysOfPlainRecomputation(): Promise<void> {
  const stored = await rowsOf(database.url, STORED);
  expect(stored).toEqual(await rowsOf(database.url, RECOMPUTED));
  expect(stored.length).toBeGreaterThan(0);
  const { checks } = await verify({ url: database.url, scope: 'books' });
  expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
}

/** Entries between the accounts on days of the last weeks, or on the day of their posting; some given back at once. */
async function postEntries(random: SeededRandom, count: number): Promise<void> {
  const pick = () => random.pick(ACCOUNTS).id;
  for (let index = 0; index < count; index++) {
    const [from, to] = [pick(), pick()];
    if (from === to) continue;
    const amountMinor = BigInt(random.between(1, 1000));
    const day = new Date(Date.now() - random.between(0, 40) * DAY_MS).toISOString().slice(0, 10);
    const texts = random.between(0, 2) === 0 ? {} : { effective_on: day };
    await engine.transfer({ from, to, amountMinor }, texts);
    if (random.between(0, 4) === 0) await engine.transfer({ from: to, to: from, amountMinor });
  }
}

async function seal(process: ConsolidationProcess): Promise<void> {
  // The logs are marked in one turn, and each page is a turn.
  for (let turn = 0; turn < 4; turn++) await process.sealer.turn();
}

/** A day of tomorrow, so that the hour after each day of today is over. */
const tomorrow = { now: () => Date.now() + 2 * DAY_MS };

test('U3, U4: restarts, re-deliveries, late entries and sealing leave the days of a plain recomputation', async () => {
  const seed = Number(process.env['LASTRO_SEED'] ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (let round = 0; round < 6; round++) {
    // Two processes share the partitions; now and then both believe that they own some.
    const shared = random.between(0, 2) === 0 ? [0, 1, 2] : [0, 1];
    const first = await start({ partitions: shared, batchMax: random.between(1, 9), clock: tomorrow });
    const second = await start({ partitions: [2, 3], batchMax: random.between(1, 50) });
    await postEntries(random, 12);
    // Who has nothing new sees it when it begins anew: nobody waits for that in this round.
    if (round % 2 === 0) await setBack(database.url, ['consolidation']);
    if (round % 2 === 1) {
      await counted(database.url);
      await seal(first);
    }
    await postEntries(random, 6);
    await first.stop();
    await postEntries(random, 4);
    await second.stop();
    processes.splice(0);
  }
  await start({ partitions: all() });
  await counted(database.url);
  await expectDaysOfPlainRecomputation();
  const reopened = await rowsOf(database.url, `select from consolidation.events where type = 'day.reopened'`);
  expect(reopened.length).toBeGreaterThan(0);
});

test('F6: versions of a day count up without a gap, and all that were replaced can be read', async () => {
  const gaps = await rowsOf(
    database.url,
    `select d.account_key, d.day, d.version, count(v.version) from consolidation.days d
     left join consolidation.day_versions v using (account_key, day)
     group by 1, 2, 3 having count(v.version) <> d.version - 1 or count(distinct v.version) <> d.version - 1`,
  );
  expect(gaps).toEqual([]);
});

describe('sealing', () => {
  const SEALED = `select count(*)::int as sealed from consolidation.days where sealed_at is not null`;

  test('F6: nothing is sealed while any partition has still to pass what stood there', async () => {
    await start({ partitions: all() });
    await counted(database.url);
    await Promise.all(processes.splice(0).map((process) => process.stop()));
    await engine.transfer({ from: 'utc', to: 'lisbon', amountMinor: 1n }, { effective_on: '2026-01-05' });
    const [before] = await rowsOf(database.url, SEALED);
    const without = await start({ partitions: [], clock: tomorrow });
    await seal(without);
    expect(await rowsOf(database.url, SEALED)).toEqual([before]);
    await start({ partitions: all() });
    await counted(database.url);
    await seal(without);
    const open = await rowsOf(
      database.url,
      `select from consolidation.days where sealed_at is null and day < current_date - 1`,
    );
    expect(open).toEqual([]);
    await expectDaysOfPlainRecomputation();
  });

  test('F6: a late entry opens its sealed day again, with its cause, and it is sealed again', async () => {
    const process = await start({ partitions: all(), clock: tomorrow });
    const day = '2026-01-05';
    const of = `from consolidation.days d join consolidation.accounts a on a.key = d.account_key
                where a.id = 'utc' and d.day = '${day}'`;
    const [before] = await rowsOf(database.url, `select d.version, encode(d.hash, 'hex') as hash ${of}`);
    const later = `select d.day, d.version from consolidation.days d join consolidation.accounts a on a.key = d.account_key
                   where a.id = 'utc' and d.day > '${day}' order by 1`;
    const laterBefore = await rowsOf(database.url, later);
    await engine.transfer({ from: 'utc', to: 'lisbon', amountMinor: 5n }, { effective_on: day });
    await counted(database.url);
    const [reopened] = await rowsOf(
      database.url,
      `select e.data::json as data, e.causation from consolidation.events e
       where e.type = 'day.reopened' and e.subject = 'utc' order by e.position desc limit 1`,
    );
    expect(reopened?.['data']).toMatchObject({
      account_id: 'utc',
      date: day,
      version: Number(before?.['version']) + 1,
      sealed_version: before?.['version'],
      sealed_hash: before?.['hash'],
      moved: -5,
      cause: reopened?.['causation'],
    });
    expect(await rowsOf(database.url, `select d.sealed_at ${of}`)).toEqual([{ sealed_at: null }]);
    const raised = laterBefore.map((row) => ({ ...row, version: Number(row['version']) + 1 }));
    expect(await rowsOf(database.url, later)).toEqual(raised);
    await seal(process);
    const [sealed] = await rowsOf(
      database.url,
      `select (e.data::json->>'hash') as told, (e.data::json->>'version')::int as version,
              (select encode(d.hash, 'hex') ${of}) as kept
       from consolidation.events e
       where e.type = 'day.sealed' and e.subject = 'utc' and e.data::json->>'date' = '${day}' order by e.position desc limit 1`,
    );
    expect(sealed).toMatchObject({ version: Number(before?.['version']) + 1, told: sealed?.['kept'] });
  });
});

test('RA1: what has changed since an account is remembered is loaded, and its sealed day opened again', async () => {
  const process = await start({ partitions: all(), clock: tomorrow });
  const reopened = `select count(*)::int as days from consolidation.events where type = 'day.reopened' and subject = 'utc'`;
  await counted(database.url);
  await engine.transfer({ from: 'utc', to: 'lisbon', amountMinor: 3n });
  await counted(database.url);
  await engine.transfer({ from: 'utc', to: 'lisbon', amountMinor: 4n });
  await counted(database.url);
  expect(process.failures).toEqual([]);
  await seal(process);
  const [before] = await rowsOf(database.url, reopened);
  await engine.transfer({ from: 'utc', to: 'lisbon', amountMinor: 5n });
  await counted(database.url);
  expect(process.failures).toMatchObject([{ state: FENCED }]);
  expect(await rowsOf(database.url, reopened)).toEqual([{ days: Number(before?.['days']) + 1 }]);
  await expectDaysOfPlainRecomputation();
});

describe('an event that cannot be counted', () => {
  test('U11: stops its accounts and no other, keeps their days open, and is counted when it is replayed with better data', async () => {
    await engine.openAccounts([
      { id: 'poisoned', kind: 'cashbook', time_zone: 'UTC' },
      { id: 'beside', kind: 'cashbook', time_zone: 'UTC' },
    ]);
    engine.resume('consolidation');
    const entry = newId('jen');
    const line = {
      account_id: 'poisoned',
      currency: 'USD',
      sequence: 1,
      posted_after: 5,
      posted_at: '2026-01-07T12:00:00.000Z',
    };
    await appendEvents({ url: database.url, partitions: PARTITIONS }, 'ledger', [
      {
        type: 'entry.posted',
        version: 2,
        subject: entry,
        tenant: TENANT,
        key: 'somewhere',
        data: {
          entry_id: entry,
          cause: entry,
          purpose: 'manual',
          postings: [{ ...line, direction: 'credit', amount: 0.5 }],
        },
        correlationId: 'cor',
        causation: 'req',
        traceparent: null,
      },
    ]);
    await engine.settled(['consolidation']);
    expect(engine.deadLetters.filter((letter) => letter.startsWith('consolidation:'))).toHaveLength(1);
    // Its second posting has come, and another account's first.
    await appendEvents({ url: database.url, partitions: PARTITIONS }, 'ledger', [
      {
        type: 'entry.posted',
        version: 2,
        subject: newId('jen'),
        tenant: TENANT,
        key: 'elsewhere',
        data: {
          entry_id: newId('jen'),
          cause: entry,
          purpose: 'manual',
          postings: [
            { ...line, sequence: 2, direction: 'credit', amount: 7, posted_after: 12 },
            { ...line, account_id: 'beside', direction: 'debit', amount: 7, posted_after: -7 },
          ],
        },
        correlationId: 'cor',
        causation: 'req',
        traceparent: null,
      },
    ]);
    await engine.settled(['consolidation']);
    const DAYS = STORED.replace('order by', `where a.id in ('poisoned', 'beside') order by`);
    expect(await rowsOf(database.url, DAYS)).toMatchObject([{ id: 'beside', closing: '-7' }]);
    expect(await rowsOf(database.url, 'select sequence::int from consolidation.waiting')).toEqual([
      { sequence: 2 },
    ]);
    await rowsOf(
      database.url,
      `update ledger.events set data = replace(data, '0.5', '5') where subject = '${entry}'`,
    );
    await orderOpenDeadLetters(database.url, 'replay');
    await engine.ordersExecuted();
    expect(await rowsOf(database.url, DAYS)).toMatchObject([
      { id: 'beside', closing: '-7' },
      { id: 'poisoned', closing: '12', count: '2' },
    ]);
    expect(await rowsOf(database.url, 'select from consolidation.waiting')).toEqual([]);
    engine.pause('consolidation');
  });
});

describe('lastro rebuild days', () => {
  const FIGURES = `select account_key::int as key, day, opening, credits, debits, count, closing, encode(hash, 'hex') as hash, sealed_at
                   from consolidation.days order by 1, 2`;

  test('U15: what is right is not written again, what was falsified or wiped is put right, with its seals', async () => {
    const before = await rowsOf(database.url, FIGURES);
    const again = () => rebuild({ url: database.url, models: ['days'] });
    expect(await again()).toMatchObject([{ written: 0, removed: 0 }]);
    await rowsOf(
      database.url,
      `update consolidation.days set credits = credits + 1, closing = closing + 1 where day = '2026-01-05'`,
    );
    await rowsOf(
      database.url,
      `insert into consolidation.days select account_key, '1999-01-01', 1, 0, 0, 0, 1, 0, hash, cause, as_of, null
       from consolidation.days limit 1`,
    );
    expect(await again()).toMatchObject([{ removed: 1 }]);
    expect(await rowsOf(database.url, FIGURES)).toEqual(before);
    await rowsOf(database.url, 'truncate consolidation.days, consolidation.standings');
    await rowsOf(database.url, `update consolidation.accounts set time_zone = 'UTC' where id = 'lisbon'`);
    await again();
    expect(await rowsOf(database.url, FIGURES)).toEqual(before);
    expect(await again()).toMatchObject([{ written: 0, removed: 0 }]);
  });

  test('U15: postings that a later partition lets go at once, more than a batch looks at, are all counted before anything is compared', async () => {
    await engine.openAccounts([{ id: 'crowded', kind: 'cashbook', time_zone: 'UTC' }]);
    const [crowd, first] = keysOfTwoPartitions();
    const rest = Array.from({ length: WAITING_PAGE + 600 }, (_, index) => posting(crowd, index + 2));
    // So far down its partition that the others are all read before it.
    const before = Array.from({ length: 3 * rest.length }, () => ({
      ...posting(first, 0),
      type: 'posting.refused',
    }));
    const to = { url: database.url, partitions: PARTITIONS };
    await appendEvents(to, 'ledger', [...rest, ...before, posting(first, 1)]);
    const process = await start({ partitions: all() });
    await counted(database.url);
    await seal(process);
    const FIGURES_OF_CROWDED = STORED.replace('order by', `where a.id = 'crowded' order by`);
    const days = await rowsOf(database.url, FIGURES_OF_CROWDED);
    expect(days).toMatchObject([{ count: String(rest.length + 1) }]);
    expect(await rebuild({ url: database.url, models: ['days'] })).toMatchObject([
      { written: 0, removed: 0 },
    ]);
    expect(await rowsOf(database.url, FIGURES_OF_CROWDED)).toEqual(days);
    expect(await rowsOf(database.url, 'select from consolidation.waiting')).toEqual([]);
  });

  function keysOfTwoPartitions(): readonly [string, string] {
    const [one = '', ...others] = Array.from({ length: PARTITIONS + 1 }, (_, index) => `payer-${index}`);
    const place = (key: string): number => partitionOf(TENANT, key, PARTITIONS);
    return [one, others.find((key) => place(key) !== place(one)) ?? ''];
  }

  /** The account's own, told by whoever paid. */
  function posting(key: string, sequence: number): EventDraft {
    const entry = newId('jen');
    const posted_at = '2026-01-07T12:00:00.000Z';
    const line = { account_id: 'crowded', currency: 'USD', direction: 'credit', amount: 1 };
    const postings = [{ ...line, sequence, posted_after: sequence, posted_at }];
    const data = { entry_id: entry, cause: entry, purpose: 'manual', postings };
    const origin = { correlationId: 'cor', causation: 'req', traceparent: null };
    return { type: 'entry.posted', version: 2, subject: entry, tenant: TENANT, key, data, ...origin };
  }
});
