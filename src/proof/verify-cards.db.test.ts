/** Every kind of damage that can be done to what cards left behind is found, and what it was done to is named (U14). */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Damage, toNamed, toOne } from '../../tests/damage.ts';
import { cloneTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { useCards } from '../../tests/used-cards.ts';
import { verify } from './verify.ts';

let sound: TestDatabase;

beforeAll(async () => {
  sound = await useCards();
});

afterAll(() => sound.drop());

const ONE = `(select id from cards.card_transactions where external_id = 'a')`;
const HELD = `(select id from cards.card_transactions where external_id = 'open')`;
const REVERSED = `(select id from cards.card_transactions where external_id = 'b')`;
const DIFFERENT = [['cards', 'different_card_transaction']] as const;

/** Edits of the log by which a decision and its entry, or the steps of one card transaction, contradict each other. */
const CONTRADICTIONS = [
  [
    'an approval of more than its entry',
    'card.approved',
    'a',
    '"amount":100,"currency":"BRL","cat',
    '"amount":101,"currency":"BRL","cat',
  ],
  [
    'an approval by another balance than its entry',
    'card.approved',
    'a',
    '"category":"MEAL"',
    '"category":"FOOD"',
  ],
  ['an entry for another reason', 'card.approved', 'a', '"purpose":"card"', '"purpose":"top_up"'],
  ['an entry to another account', 'card.approved', 'a', '"card-settlement-BRL"', '"card-funding-BRL"'],
  ['a capture that has no entry', 'card.captured', 'c', '"entry":', '"entries":'],
  ['a reversal of more than its entry', 'card.reversed', 'b', '"amount":50,"bec', '"amount":51,"bec'],
  [
    'a reversal with the entry of another',
    'card.reversed',
    'b',
    '"reversal_id":"crv_0',
    '"reversal_id":"crv_1',
  ],
  ['a reversal of more than was spent', 'card.reversed', 'b', '"amount":50', '"amount":201', 'over_reversed'],
  [
    'a capture of more than was approved',
    'card.captured',
    'c',
    '"amount":300',
    '"amount":301',
    'over_captured',
  ],
  ['a capture of another hold', 'card.captured', 'c', '"held":300', '"held":301', 'mismatched_hold'],
  ['a release of another hold', 'card.released', 'd', '"amount":400', '"amount":401', 'mismatched_hold'],
  [
    'a release of another account',
    'card.released',
    'd',
    '"account_id":"123:',
    '"account_id":"124:',
    'mismatched_hold',
  ],
  ['a reversal of what is set aside', 'card.approved', 'b', '"entry":', '"entries":', 'step_out_of_order'],
] as const;

/** The event that decided what the network calls so. */
function decisionOf(externalId: string): string {
  return `(select subject from cards.events where type = 'card.approved' and data like '%"external_id":"${externalId}"%')`;
}

const DAMAGES: readonly Damage[] = [
  ...CONTRADICTIONS.map(([title, type, id, from, to, kind = 'mismatched_entry']) =>
    toNamed(
      title,
      `update cards.events set data = replace(data, '${from}', '${to}')
       where type = '${type}' and subject = ${decisionOf(id)} and data like '%${from}%' returning subject`,
      [['cards', kind]],
    ),
  ),
  toNamed(
    'a second decision',
    `update cards.events e set type = 'card.approved', data = first.data from cards.events first
     where e.type = 'card.reversed' and first.subject = e.subject and first.type = 'card.approved' returning e.subject`,
    [['cards', 'second_decision']],
  ),
  toNamed(
    'a top-up of another card',
    `update cards.events set data = replace(data, '"account":"124"', '"account":"123"')
     where type = 'card.topped_up' and data like '%"account":"124"%' returning subject`,
    [['cards', 'mismatched_entry']],
  ),
  toOne(
    'ctx',
    'a deleted card transaction',
    `delete from cards.card_transactions where id = ${ONE} returning id`,
    [['cards', 'missing_card_transaction']],
  ),
  toOne(
    'ctx',
    'an invented card transaction',
    `insert into cards.card_transactions select tenant, gen_random_uuid(), account, external_id, null, digest, mcc, merchant,
       amount, currency, code, category, decided_by, reason, detail, rules_version, latency_ms, state, captured, reversed,
       decided_at from cards.card_transactions where id = ${ONE} returning id`,
    [['cards', 'extra_card_transaction']],
  ),
  ...[
    ['an approval that was a decline', `code = '51'`],
    ['an edited amount', 'amount = amount + 1'],
    ['an edited category', `category = 'CASH'`],
    ['an edited merchant', `merchant = 'BANK'`],
    ['an edited latency', 'latency_ms = latency_ms + 1'],
    ['an edited instant', `decided_at = decided_at + interval '1 ms'`],
    ['an id given up', 'claim = null'],
    ['an id that may be used again', 'claim = gen_random_uuid()'],
    ['another state', `state = 'released'`],
  ].map(([title = '', change = '']) =>
    toOne(
      'ctx',
      title,
      `update cards.card_transactions set ${change} where id = ${ONE} returning id`,
      DIFFERENT,
    ),
  ),
  toOne(
    'ctx',
    'a reversal that is forgotten',
    `update cards.card_transactions set reversed = 0 where id = ${REVERSED} returning id`,
    DIFFERENT,
  ),
  toOne('jen', 'a deleted entry', `delete from ledger.entries where id = ${ONE} returning id`, [
    ['entries', 'missing_entry'],
  ]),
  toOne(
    'jen',
    'an invented entry of a card',
    `insert into ledger.entries select gen_random_uuid(), tenant, cause, purpose, posted_at from ledger.entries
     where id = ${ONE} returning id`,
    [['cards', 'extra_entry']],
  ),
  toNamed(
    'an edited posting of a card',
    `update ledger.postings p set amount = amount + 1 from ledger.accounts a
     where a.key = p.account_key and a.id = '123:MEAL' and p.entry_id = ${ONE} returning format('acme/123:MEAL#%s', sequence)`,
    [['postings', 'wrong_running_sum']],
  ),
  toNamed(
    'a card with more than it was given',
    `update ledger.balances set posted = posted + 1 where account_key = (
       select key from ledger.accounts where id = '123:MEAL') returning 'acme/123:MEAL'`,
    [
      ['accounts', 'different_balance'],
      ['accounts', 'different_last_posting'],
    ],
  ),
  toNamed(
    'a card with nothing held',
    `update ledger.balances set held = 0 where account_key = (
       select key from ledger.accounts where id = '123:MEAL') returning 'acme/123:MEAL'`,
    [['accounts', 'different_balance']],
  ),
  toOne(
    'ctx',
    'a hold that was ended',
    `update ledger.holds set state = 'released', closed_at = now() where id = ${HELD} returning id`,
    [['cards', 'different_hold']],
  ),
  toOne('ctx', 'a deleted hold', `delete from ledger.holds where id = ${HELD} returning id`, [
    ['cards', 'missing_hold'],
  ]),
  ...[
    ['a hold that nobody gives back', 'delete from cards.open_holds'],
    ['a hold that is never given back', `update cards.open_holds set due_at = 'infinity'`],
    ['a hold that is given back at once', 'update cards.open_holds set due_at = now()'],
  ].map(([title = '', change = '']) =>
    toOne('ctx', title, `${change} where id = ${HELD} returning id`, DIFFERENT),
  ),
  ...[
    [
      'a captured hold that is to be given back',
      `tenant, (select id from cards.card_transactions where external_id = 'c')`,
    ],
    [
      'a decline that is to be given back',
      `tenant, (select id from cards.card_transactions where code = '51' limit 1)`,
    ],
    ['what nobody bought, and is to be given back', 'tenant, gen_random_uuid()'],
    ['a hold that is to be given back to another tenant', `'other', id`],
  ].map(([title = '', whose = '']) =>
    toOne(
      'ctx',
      title,
      `insert into cards.open_holds select ${whose}, due_at, correlation_id from cards.open_holds returning id`,
      [['cards', 'extra_open_hold']],
    ),
  ),
  toOne(
    'ctx',
    'an invented hold of a card',
    `insert into ledger.holds select gen_random_uuid(), account_key, amount, state, opened_at, closed_at, owner
     from ledger.holds where id = ${HELD} returning id`,
    [['cards', 'extra_hold']],
  ),
  toOne(
    'pay',
    'a card’s hold passed off as a payment’s',
    `update ledger.holds set owner = null where id = ${HELD} returning id`,
    [['holds', 'extra_hold']],
  ),
  toNamed(
    'a blocked card that is active',
    `update cards.cards set status = 'active' where account = '124' returning 'acme/124'`,
    [['cards', 'different_card']],
  ),
  toNamed('a deleted card', `delete from cards.cards where account = '124' returning 'acme/124'`, [
    ['cards', 'missing_card'],
  ]),
  toNamed(
    'an invented card',
    `insert into cards.cards select tenant, '125', currency, status, created_at from cards.cards limit 1 returning 'acme/125'`,
    [['cards', 'extra_card']],
  ),
  toNamed(
    'an edited merchant rule',
    `update cards.merchant_rules set rules = replace(rules, 'FOOD', 'CASH') returning 'acme/1'`,
    [['cards', 'different_rules']],
  ),
  toNamed(
    'invented merchant rules',
    `insert into cards.merchant_rules select tenant, 2, rules, actor, replaced_at from cards.merchant_rules returning 'acme/2'`,
    [['cards', 'extra_rules']],
  ),
  toNamed(
    'a notification that is gone',
    `delete from notification.card_notifications n using cards.events e
     where e.partition = n.partition and e.position = n.position and e.type = 'card.reversed' returning e.subject`,
    [['cards', 'missing_card_notification']],
  ),
  toNamed(
    'a notification of another amount',
    `update notification.card_notifications n set payload = replace(payload, '"amount":50,', '"amount":51,')
     from cards.events e where e.partition = n.partition and e.position = n.position and e.type = 'card.reversed'
     returning e.subject`,
    [['cards', 'different_card_notification']],
  ),
  toNamed(
    'an invented notification',
    `insert into notification.card_notifications select partition, position + 1000, tenant, payload, created_at
     from notification.card_notifications limit 1 returning format('cards/%s/%s', partition, position)`,
    [['cards', 'extra_card_notification']],
  ),
  toNamed(
    'event data that is no longer JSON',
    `update cards.events set data = '{' where subject in (
       select subject from cards.events where type = 'card.reversed') and type = 'card.reversed'
     returning format('cards/%s/%s', partition, position)`,
    [['cards', 'unreadable_event']],
  ),
];

test('cards at rest verify clean, and everything of them was looked at', async () => {
  const report = await verify({ url: sound.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  const checked = Object.fromEntries(report.checks.map((check) => [check.name, check.checked]));
  // Seven card transactions, three of them with holds, two cards, a top-up of each, one version of the rules.
  expect(checked).toMatchObject({ cards: 15, accounts: 8, entries: 6, currencies: 1 });
});

test.concurrent.each(DAMAGES)('$title is found', async (damage) => {
  const database = await cloneTestDatabase(sound);
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  try {
    const expected = await damage.inflict(async (sql) => {
      const { rows } = await owner.query<unknown[], unknown[]>({ text: sql, rowMode: 'array' });
      if (rows.length === 0) throw new Error(`nothing was damaged by ${sql}`);
      return String(rows[0]?.[0]);
    });
    const report = await verify({ url: database.url });
    const findings = report.checks.flatMap((check) =>
      check.findings.map(({ kind, subject }) => ({ check: check.name, kind, subject })),
    );
    expect(findings).toEqual(expect.arrayContaining([...expected]));
  } finally {
    await owner.end();
    await database.drop();
  }
});
