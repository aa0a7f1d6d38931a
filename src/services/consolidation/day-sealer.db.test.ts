/** What a process does beside counting: nobody who waits for a person keeps others from being counted and sealed. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import { LogGap } from '#platform/log/event-log.ts';
import { appendEvents } from '../../../tests/append-events.ts';
import {
  type ConsolidationProcess,
  counted,
  rowsOf,
  startConsolidation,
} from '../../../tests/consolidation-desk.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { PARTITIONS } from '../../../tests/engine.ts';

let database: TestDatabase;
let process: ConsolidationProcess;

const DAY_MS = 86_400_000;

beforeAll(async () => {
  database = await createPreparedDatabase();
});

afterEach(() => process.stop());

afterAll(() => database.drop());

async function start(): Promise<void> {
  process = await startConsolidation(database.url, {
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => partition),
    clock: { now: () => Date.now() + 2 * DAY_MS },
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await process.sealer.turn();
}

test('C1: accounts that wait for a posting, however many, hide none whose posting is due', async () => {
  await rowsOf(
    database.url,
    `with held as (
       insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
       select 'acme', 'held-' || n, 'cashbook', 'USD', 'UTC' from generate_series(1, 1001) n returning key
     ), due as (
       insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
       select 'acme', 'due', 'cashbook', 'USD', 'UTC' from (select count(*) from held) behind returning key
     )
     insert into consolidation.waiting
     select key, 2, gen_random_uuid(), 1, 1, now(), null::date, 'ledger/0/1', 'cor' from held
     union all select key, 1, gen_random_uuid(), 1, 1, now(), null, 'ledger/0/2', 'cor' from due`,
  );
  await start();
  await turns(2);
  const days = 'select a.id from consolidation.days d join consolidation.accounts a on a.key = d.account_key';
  expect(await rowsOf(database.url, days)).toEqual([{ id: 'due' }]);
  await rowsOf(database.url, 'truncate consolidation.waiting, consolidation.days, consolidation.standings');
});

test('C3: what cannot be counted for one account keeps no other from being counted, and is told once', async () => {
  await rowsOf(
    database.url,
    `with full_up as (
       insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
       select 'acme', id, 'cashbook', 'USD', 'UTC' from unnest(array['full', 'sound']) as id returning key, id
     ), day as (
       insert into consolidation.days (account_key, day, version, opening, credits, debits, count, closing, hash, cause, as_of)
       select key, '2026-01-01', 1, 0, 9223372036854775000, 0, 1, 9223372036854775000, '', 'ledger/0/1', now()
       from full_up where id = 'full'
     ), standing as (
       insert into consolidation.standings select key, 1, '2026-01-01', 1 from full_up where id = 'full'
     )
     insert into consolidation.waiting
     select key, case id when 'full' then 2 else 1 end, gen_random_uuid(), 1000, 1000, now(), null::date, 'ledger/0/2', 'cor'
     from full_up`,
  );
  await start();
  await turns(3);
  const versions = `select a.id, max(d.version) as version from consolidation.days d
                   join consolidation.accounts a on a.key = d.account_key group by a.id order by a.id`;
  expect(await rowsOf(database.url, versions)).toEqual([
    { id: 'full', version: 1 },
    { id: 'sound', version: 1 },
  ]);
  expect(process.failures.map(String)).toEqual([expect.stringContaining('acme/full cannot be counted')]);
  await rowsOf(database.url, 'truncate consolidation.waiting, consolidation.days, consolidation.standings');
});

test.each([
  ['new', 1],
  ['remembered', 2],
])(
  'C4: an account that is %s and has no room for its amounts stops alone, without a dead letter',
  async (_what, first) => {
    await start();
    const day = '2026-01-05';
    if (first > 1) await givenPosting('acme', 'absurd', day);
    await counted(database.url);
    const most = Array.from({ length: 1025 }, (_, index) => ({
      sequence: first + index,
      amount: 2 ** 53 - 1,
    }));
    await givenPostings('acme', 'absurd', day, most);
    await givenPostings('acme', 'absurd', day, [{ sequence: first + most.length, amount: 5 }]);
    await givenPosting('acme', 'usual', day);
    await counted(database.url);
    await turns(4);
    const figures = `select a.id, d.credits::int, d.sealed_at is not null as sealed from consolidation.days d
                   join consolidation.accounts a on a.key = d.account_key order by a.id`;
    expect(await rowsOf(database.url, figures)).toEqual([
      ...(first > 1 ? [{ id: 'absurd', credits: 5, sealed: false }] : []),
      { id: 'usual', credits: 5, sealed: true },
    ]);
    expect(await rowsOf(database.url, 'select count(*)::int from consolidation.waiting')).toEqual([
      { count: most.length + 1 },
    ]);
    expect(await rowsOf(database.url, 'select from log.dead_letters')).toEqual([]);
    const told = [...(first > 1 ? ['remembered has no room'] : []), 'acme/absurd cannot be counted'];
    expect(process.failures.map(String)).toEqual(told.map((text) => expect.stringContaining(text) as string));
    await rowsOf(
      database.url,
      'truncate consolidation.waiting, consolidation.days, consolidation.standings, consolidation.accounts',
    );
  },
);

test('C4: a late posting that a day behind it has no room for waits, and fails no batch', async () => {
  await rowsOf(
    database.url,
    `with account as (
       insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
       values ('acme', 'brim', 'cashbook', 'USD', 'UTC') returning key
     ), day as (
       insert into consolidation.days (account_key, day, version, opening, credits, debits, count, closing, hash, cause, as_of)
       select key, '2026-01-06', 1, 0, 9223372036854775000, 0, 1, 9223372036854775000, '', 'ledger/0/1', now() from account
     )
     insert into consolidation.standings select key, 1, '2026-01-06', 1 from account`,
  );
  await start();
  await givenPostings('acme', 'brim', '2026-01-05', [{ sequence: 2, amount: 1000 }]);
  await counted(database.url);
  expect(process.failures).toEqual([]);
  expect(await rowsOf(database.url, 'select sequence::int from consolidation.waiting')).toEqual([
    { sequence: 2 },
  ]);
  await rowsOf(
    database.url,
    'truncate consolidation.waiting, consolidation.days, consolidation.standings, consolidation.accounts',
  );
});

/** Of the account on that day. All of a tenant are in one partition. */
function givenPosting(tenant: string, id: string, day: string, sequence = 1): Promise<void> {
  return givenPostings(tenant, id, day, [{ sequence, amount: 5 }]);
}

/** By one entry. */
async function givenPostings(
  tenant: string,
  id: string,
  day: string,
  credits: readonly { readonly sequence: number; readonly amount: number }[],
): Promise<void> {
  const draft = { tenant, key: tenant, correlationId: 'cor', causation: 'req', traceparent: null };
  const told = { account_id: id, currency: 'USD', direction: 'credit', posted_at: `${day}T12:00:00.000Z` };
  const postings = credits.map((each) => ({ ...told, ...each, posted_after: 5 * each.sequence }));
  const entry = newId('jen');
  const opened = { account_id: id, kind: 'cashbook', currency: 'USD', time_zone: 'UTC', floor: null };
  await appendEvents({ url: database.url, partitions: PARTITIONS }, 'ledger', [
    { ...draft, type: 'account.opened', version: 1, subject: id, data: opened },
    {
      ...draft,
      type: 'entry.posted',
      version: 2,
      subject: entry,
      data: { entry_id: entry, cause: entry, purpose: 'manual', postings },
    },
  ]);
}

/** Of the entries of an account: its group has given them up. */
function giveUp(id: string): Promise<unknown> {
  return rowsOf(
    database.url,
    `with letter as (
       insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                     error_code, error, attempts, state, failed_first_at, failed_last_at)
       select gen_random_uuid(), 'consolidation', partition, subject, 'ledger', position, tenant, subject, type, version, 'x', 'x',
              1, 'open', now(), now()
       from ledger.events where type = 'entry.posted' and data like '%"' || $1 || '"%' returning *
     )
     insert into log.parked_keys (consumer_group, partition, parking_key, dead_letter, topic, position, parked_at)
     select consumer_group, partition, parking_key, id, topic, position, now() from letter`,
    [id],
  );
}

function sealed(): Promise<Record<string, unknown>[]> {
  return rowsOf(
    database.url,
    `select a.id, d.day::text from consolidation.days d join consolidation.accounts a on a.key = d.account_key
     where d.sealed_at is not null order by 1, 2`,
  );
}

test('S2: dead letters of one partition stop their own accounts, and a damaged one its tenant, and no other', async () => {
  await start();
  for (const id of ['first', 'second', 'third']) await givenPosting('acme', id, '2026-01-05');
  await givenPosting('globex', 'other', '2026-01-05');
  await counted(database.url);
  await giveUp('first');
  await giveUp('second');
  await turns(4);
  const whole = [
    { id: 'other', day: '2026-01-05' },
    { id: 'third', day: '2026-01-05' },
  ];
  expect(await sealed()).toEqual(whole);
  await givenPosting('acme', 'third', '2026-01-06', 2);
  await givenPosting('globex', 'other', '2026-01-06', 2);
  await counted(database.url);
  await rowsOf(
    database.url,
    `update ledger.events set data = 'no event' where type = 'entry.posted' and data like '%"first"%'`,
  );
  expect(process.failures).toEqual([]);
  await turns(8);
  expect(await sealed()).toEqual([
    { id: 'other', day: '2026-01-05' },
    { id: 'other', day: '2026-01-06' },
    whole[1],
  ]);
  expect(process.failures).toEqual([expect.any(LogGap)]);
});
