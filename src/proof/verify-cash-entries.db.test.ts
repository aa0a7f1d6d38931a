/** Every kind of damage that can be done to what cash entries left behind is found, and what it was done to is named (U14). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { type Damage, type ExpectedFinding, inflict } from '../../tests/damage.ts';
import { cloneTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { recordCash } from '../../tests/recorded-cash.ts';
import { verify } from './verify.ts';

let sound: TestDatabase;

beforeAll(async () => {
  sound = await recordCash();
});

afterAll(() => sound.drop());

const ONE = `(select id from cashflow.cash_entries where description = 'one')`;
const BACK = `(select id from cashflow.cash_entries where description = 'Typed twice')`;
const LINE = `(select id from cashflow.cash_entries where description = 'line')`;

/** Returns the uuid of a cash entry. */
function toEntry(title: string, sql: string, kind: string): Damage {
  return toUuid(title, sql, (uuid) => ({ check: 'cash entries', kind, subject: idOf('cen', uuid) }));
}

function toUuid(title: string, sql: string, found: (uuid: string) => ExpectedFinding): Damage {
  return { title, inflict: async (run) => [found(await run(sql))] };
}

const SUBJECT_OF_ONE = `subject = (select subject from cashflow.events where data like '%"one"%')`;

const DAMAGES: readonly Damage[] = [
  toEntry(
    'a deleted entry',
    `delete from cashflow.cash_entries where id = ${ONE} returning id`,
    'missing_cash_entry',
  ),
  toEntry(
    'a deleted reversal',
    `delete from cashflow.cash_entries where id = ${BACK} returning id`,
    'missing_cash_entry',
  ),
  toEntry(
    'an invented entry',
    `insert into cashflow.cash_entries select tenant, gen_random_uuid(), account_id, contra_account_id, direction, amount, currency,
       occurred_on, description, category, null, null, null, recorded_at from cashflow.cash_entries where id = ${ONE} returning id`,
    'extra_cash_entry',
  ),
  ...[
    ['amount', 'amount + 1'],
    ['direction', `'debit'`],
    ['occurred_on', 'occurred_on - 1'],
    ['description', `'none'`],
    ['category', 'null'],
    ['account_id', `'other'`],
    ['recorded_at', `recorded_at + interval '1 ms'`],
    ['reverses', 'id'],
  ].map(([column = '', value = '']) =>
    toEntry(
      `an edited ${column}`,
      `update cashflow.cash_entries set ${column} = ${value} where id = ${ONE} returning id`,
      'different_cash_entry',
    ),
  ),
  ...[
    ['an import whose turn is gone', `null, null`],
    ['an import whose turn comes in another century', `'2200-01-01', gen_random_uuid()`],
  ].map(([title = '', turn = '']) =>
    toUuid(
      title,
      `with open as (update cashflow.imports set state = 'recording', finished_at = null returning tenant, id),
            turn as (
              insert into cashflow.open_imports (tenant, id, turn_at)
              select tenant, id, t.at::timestamptz from open cross join (select ${turn}) as t(at, other) where t.at is not null)
       select id from open`,
      (uuid) => ({ check: 'cash entries', kind: 'stalled_import', subject: idOf('imp', uuid) }),
    ),
  ),
  toEntry(
    'a reversal that is none any more',
    `update cashflow.cash_entries set reverses = null where id = ${BACK} returning id`,
    'different_cash_entry',
  ),
  toEntry(
    'a line that is said to be another',
    `update cashflow.cash_entries set line = line + 1 where id = ${LINE} returning id`,
    'different_cash_entry',
  ),
  toUuid('a deleted journal entry', `delete from ledger.entries where id = ${ONE} returning id`, (uuid) => ({
    check: 'entries',
    kind: 'missing_entry',
    subject: idOf('jen', uuid),
  })),
  toUuid(
    'a journal entry of another day',
    `update ledger.entries set effective_on = effective_on - 1 where id = ${ONE} returning id`,
    (uuid) => ({ check: 'entries', kind: 'different_entry', subject: idOf('jen', uuid) }),
  ),
  toUuid(
    'an invented journal entry of a cash entry',
    `insert into ledger.entries select gen_random_uuid(), tenant, cause, purpose, posted_at, description, reference, effective_on
     from ledger.entries where id = ${ONE} returning id`,
    (uuid) => ({ check: 'cash entries', kind: 'extra_entry', subject: idOf('jen', uuid) }),
  ),
  ...[
    ['a day that is none, in the log', '2026-01-15', 'soon'],
    ['a text that no column can have, in the log', '"one"', '"o\\u0000e"'],
  ].map(([title = '', told, instead]) =>
    toEntry(
      title,
      `update cashflow.events set data = replace(data, '${told}', '${instead}') where ${SUBJECT_OF_ONE} returning ${ONE}`,
      'different_cash_entry',
    ),
  ),
  toUuid(
    'a journal entry that the ledger’s log does not tell of',
    `update ledger.events set type = 'account.closed' where type = 'entry.posted' and ${SUBJECT_OF_ONE}
     returning ${ONE}`,
    (uuid) => ({ check: 'cash entries', kind: 'missing_journal_entry', subject: idOf('cen', uuid) }),
  ),
  toUuid(
    'a journal entry that the ledger’s log tells of otherwise',
    `update ledger.events set data = replace(data, '2026-01-15', '2026-01-16') where type = 'entry.posted' and ${SUBJECT_OF_ONE}
     returning ${ONE}`,
    (uuid) => ({ check: 'cash entries', kind: 'different_journal_entry', subject: idOf('cen', uuid) }),
  ),
  {
    title: 'event data that is no longer JSON',
    async inflict(run) {
      const subject = await run(
        `update cashflow.events set data = '{' where type = 'cash_entry.reversed'
         returning format('cashflow/%s/%s', partition, position)`,
      );
      return [{ check: 'cash entries', kind: 'unreadable_event', subject }];
    },
  },
];

test('cash entries at rest verify clean, and all of them were looked at', async () => {
  const report = await verify({ url: sound.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  const checked = Object.fromEntries(report.checks.map((check) => [check.name, check.checked]));
  expect(checked).toMatchObject({ 'cash entries': 5, entries: 5, accounts: 3, currencies: 1 });
});

test.concurrent.each(DAMAGES)('$title is found', async (damage) => {
  const database = await cloneTestDatabase(sound);
  try {
    const expected = await inflict(database.url, damage);
    const report = await verify({ url: database.url });
    const findings = report.checks.flatMap((check) =>
      check.findings.map(({ kind, subject }) => ({ check: check.name, kind, subject })),
    );
    expect(findings).toEqual(expect.arrayContaining([...expected]));
  } finally {
    await database.drop();
  }
});
