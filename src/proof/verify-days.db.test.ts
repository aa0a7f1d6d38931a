/** Every kind of damage that can be done to daily balances is found, and the day that it was done to is named (U14). */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { integerOf } from '#kernel/exact-integer.ts';
import { LogPages } from '#platform/log/log-pages.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { rowsOf, startConsolidation } from '../../tests/consolidation-desk.ts';
import { type Damage, inflict, toNamed } from '../../tests/damage.ts';
import { cloneTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { startEngine } from '../../tests/engine.ts';
import { sealDays } from '../../tests/sealed-days.ts';
import { rebuild } from './rebuild.ts';
import { verify } from './verify.ts';

let sound: TestDatabase;

const DAY_MS = 86_400_000;

beforeAll(async () => {
  sound = await sealDays();
});

afterAll(() => sound.drop());

const KEY = `(select key from consolidation.accounts where id = 'book')`;

/** To a day of `book`, found as `acme/book/<day>`. */
function toDay(title: string, change: string, kind: string, day = '2026-03-02'): Damage {
  return toNamed(
    title,
    `update consolidation.days set ${change} where account_key = ${KEY} and day = '${day}' returning 'acme/book/' || day`,
    [['days', kind]],
  );
}

/** To what a day was when it was sealed. */
function toVersion(title: string, change: string): Damage {
  return toNamed(
    title,
    `update consolidation.day_versions set ${change}
     where account_key = ${KEY} and day = '2026-03-01' and version = 1 returning 'acme/book/2026-03-01#1'`,
    [['days', 'different_version']],
  );
}

const DAMAGES: readonly Damage[] = [
  toVersion('an edited credit of a version that was replaced', 'credits = credits + 1'),
  toVersion('an edited closing of a version that was replaced', 'closing = closing + 1'),
  toVersion('an edited hash of a version that was replaced', `hash = sha256('')`),
  toVersion('a version whose seal was taken away', 'sealed_at = null'),
  toVersion('a version that was sealed at another instant', `sealed_at = sealed_at + interval '1 second'`),
  toNamed(
    'another instant of opening',
    `update consolidation.accounts set opened_at = opened_at + interval '1 second' where id = 'book' returning 'acme/book'`,
    [['days', 'different_standing']],
  ),
  toDay('an edited credit', 'credits = credits + 1, closing = closing + 1', 'different_day'),
  toDay('an edited debit', 'debits = debits + 1, closing = closing - 1', 'different_day'),
  toDay('an edited opening', 'opening = opening + 1, closing = closing + 1', 'different_day'),
  toDay('an edited count', 'count = count + 1', 'different_day'),
  toDay('an edited hash', `hash = sha256('')`, 'different_day'),
  toDay('a seal that was taken away', 'sealed_at = null', 'different_seal'),
  toDay('a seal of another instant', `sealed_at = sealed_at + interval '1 second'`, 'different_seal'),
  toDay('a seal that nobody gave', 'sealed_at = now()', 'different_seal', '2026-03-03'),
  toNamed(
    'a deleted day',
    `delete from consolidation.days where account_key = ${KEY} and day = '2026-03-01' returning 'acme/book/' || day`,
    [['days', 'missing_day']],
  ),
  toNamed(
    'an invented day',
    `insert into consolidation.days select account_key, '2026-02-01', 1, 0, 1, 1, 2, 0, hash, cause, as_of
     from consolidation.days where account_key = ${KEY} limit 1 returning 'acme/book/' || day`,
    [['days', 'extra_day']],
  ),
  toNamed(
    'days of an account that is not there',
    `update consolidation.days set account_key = 999 where account_key = ${KEY} and day = '2026-03-01'
     returning 'days/999/' || day`,
    [['days', 'extra_day']],
  ),
  toNamed(
    'a standing of an account that is not there',
    `insert into consolidation.standings select 999, sequence, last_day, change from consolidation.standings
     where account_key = ${KEY} returning 'days/999/' || last_day`,
    [['days', 'extra_day']],
  ),
  toNamed(
    'an account that the ledger does not have',
    `update consolidation.accounts set id = 'nobody' where id = 'book' returning 'acme/nobody'`,
    [['days', 'extra_day']],
  ),
  toNamed(
    'a posting that is said to be counted and is not',
    `update consolidation.standings set sequence = sequence + 1 where account_key = ${KEY} returning 'acme/book'`,
    [['days', 'different_standing']],
  ),
  toNamed(
    'a posting that is left out of everything',
    `with day as (
       delete from consolidation.days where account_key = ${KEY} and day = '2026-03-03'
     )
     update consolidation.standings set sequence = sequence - 1, last_day = '2026-03-02' where account_key = ${KEY}
     returning 'acme/book'`,
    [['days', 'uncounted_posting']],
  ),
  toNamed(
    'another last day',
    `update consolidation.standings set last_day = '2026-03-02' where account_key = ${KEY} returning 'acme/book'`,
    [['days', 'different_standing']],
  ),
  toNamed(
    'another time zone',
    `update consolidation.accounts set time_zone = 'Asia/Tokyo' where id = 'book' returning 'acme/book'`,
    [['days', 'different_standing']],
  ),
  toNamed(
    'a posting that waits and that its account does not have',
    `insert into consolidation.waiting values (${KEY}, 999, gen_random_uuid(), 1, 1, now(), null, 'ledger/0/1', 'cor')
     returning 'acme/book'`,
    [['days', 'stuck_posting']],
  ),
  toNamed(
    'a posting that waits of an account that is not there',
    `insert into consolidation.waiting values (999, 1, gen_random_uuid(), 1, 1, '2026-03-04Z', null, 'ledger/0/1', 'cor')
     returning 'days/999/2026-03-04'`,
    [['days', 'extra_day']],
  ),
  toNamed(
    'a posting that waits and is counted',
    `insert into consolidation.waiting values (${KEY}, 1, gen_random_uuid(), 1, 1, now(), null, 'ledger/0/1', 'cor')
     returning 'acme/book'`,
    [['days', 'stuck_posting']],
  ),
];

test('daily balances at rest verify clean, and all of them were looked at', async () => {
  const report = await verify({ url: sound.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  expect(report.checks.find(({ name }) => name === 'days')?.checked).toBe(6);
});

test.concurrent.each(DAMAGES)('$title is found, and lastro rebuild mends it', async (damage) => {
  const database = await cloneTestDatabase(sound);
  try {
    const expected = await inflict(database.url, damage);
    const report = await verify({ url: database.url });
    const findings = report.checks.flatMap((check) =>
      check.findings.map(({ kind, subject }) => ({ check: check.name, kind, subject })),
    );
    expect(findings).toEqual(expect.arrayContaining([...expected]));
    await rebuild({ url: database.url, models: ['days'] });
    await forget(database.url, 'nobody');
    const { checks } = await verify({ url: database.url });
    expect(checks.flatMap((check) => check.findings)).toEqual([]);
  } finally {
    await database.drop();
  }
});

test('days are proved of a zone that the database does not know, or takes for an abbreviation', async () => {
  const database = await cloneTestDatabase(sound);
  try {
    await rowsOf(database.url, `select ledger.add_posting_month('2026-07-01')`);
    const engine = await startEngine(database.url, {
      clock: { now: () => Date.parse('2026-07-01T22:30:00Z') },
    });
    // In summer the zone CET is two hours ahead of UTC; the abbreviation CET says one.
    await engine.openAccounts([
      { id: 'brussels', kind: 'cashbook', time_zone: 'CET' },
      { id: 'saigon', kind: 'cashbook', time_zone: 'Asia/Saigon' },
    ]);
    await engine.transfer({ from: 'brussels', to: 'saigon', amountMinor: 7n });
    await engine.settled();
    await engine.close();
    const { checks } = await verify({ url: database.url });
    expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
    // The same zone to `Intl`, none to PostgreSQL.
    for (const schema of ['ledger', 'consolidation'])
      await rowsOf(database.url, `update ${schema}.accounts set time_zone = 'VST' where id = 'saigon'`);
    const again = (await verify({ url: database.url })).checks.find(({ name }) => name === 'days');
    expect(again).toMatchObject({ checked: 8, findings: [] });
  } finally {
    await database.drop();
  }
});

test('a version that was sealed, opened again and deleted is found', async () => {
  const database = await cloneTestDatabase(sound);
  try {
    await inflict(
      database.url,
      toNamed(
        'a deleted version',
        `delete from consolidation.day_versions where account_key = ${KEY} and day = '2026-03-01' returning version`,
        [],
      ),
    );
    const { checks } = await verify({ url: database.url });
    const [finding, ...others] = checks.flatMap(({ findings }) => findings);
    expect(finding).toMatchObject({ kind: 'missing_version', subject: 'acme/book/2026-03-01#1' });
    expect(others).toEqual([]);
  } finally {
    await database.drop();
  }
});

test('a sealed day that was moved, opened, sealed and opened again leaves versions that a rebuild finds right', async () => {
  const database = await cloneTestDatabase(sound);
  try {
    const engine = await startEngine(database.url);
    const process = await startConsolidation(database.url, {
      partitions: [],
      clock: { now: () => Date.now() + 2 * DAY_MS },
    });
    for (let round = 0; round < 2; round++) {
      for (const day of ['2026-03-01', '2026-03-02'])
        await engine.transfer({ from: 'other', to: 'book', amountMinor: 3n }, { effective_on: day });
      await engine.settled();
      for (let turn = 0; turn < 3; turn++) await process.sealer.turn();
    }
    await process.stop();
    await engine.close();
    const { checks } = await verify({ url: database.url });
    expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
    expect(await rebuild({ url: database.url, models: ['days'] })).toMatchObject([
      { written: 0, removed: 0 },
    ]);
  } finally {
    await database.drop();
  }
});

test('a day whose sums no number holds is sealed, told digit by digit, opened again, and a rebuild finds it right', async () => {
  const database = await cloneTestDatabase(sound);
  const most = 2n ** 53n - 1n - 20n;
  try {
    const engine = await startEngine(database.url);
    const process = await startConsolidation(database.url, {
      partitions: [],
      clock: { now: () => Date.now() + 2 * DAY_MS },
    });
    const seal = async (): Promise<void> => {
      await engine.settled();
      for (let turn = 0; turn < 3; turn++) await process.sealer.turn();
    };
    for (let round = 0; round < 3; round++) {
      await engine.transfer({ from: 'other', to: 'book', amountMinor: most }, { effective_on: '2026-03-01' });
      await engine.transfer({ from: 'book', to: 'other', amountMinor: most }, { effective_on: '2026-03-02' });
    }
    await seal();
    await engine.transfer({ from: 'other', to: 'book', amountMinor: 1n }, { effective_on: '2026-03-01' });
    await seal();
    await process.stop();
    await engine.close();
    expect(await toldClosings(database.url)).toEqual([7n, 12n + 3n * most, 13n + 3n * most]);
    const { checks } = await verify({ url: database.url });
    expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
    expect(await rebuild({ url: database.url, models: ['days'] })).toMatchObject([
      { written: 0, removed: 0 },
    ]);
  } finally {
    await database.drop();
  }
});

/** Of 1 March of `book`, as who reads the log from the outside is told. */
async function toldClosings(url: string): Promise<unknown[]> {
  const reader = new ReadPool({ url, onError: () => undefined });
  try {
    const { events } = await new LogPages(reader).read('consolidation', 'acme', [], 500);
    return events
      .filter(({ subject, data }) => subject === 'book' && data['date'] === '2026-03-01')
      .flatMap(({ data }) => integerOf(data['closing']) ?? []);
  } finally {
    await reader.close();
  }
}

/** An invented account is left to a person: what it was is not known. */
async function forget(url: string, id: string): Promise<void> {
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  await owner.query('delete from consolidation.accounts where id = $1', [id]);
  await owner.end();
}
