/** Every kind of damage that can be done to what cards left behind is found, and what it was done to is named (U14). */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { openCards } from '../../tests/card-fixture.ts';
import { type Damage, toNamed, toOne } from '../../tests/damage.ts';
import { cloneTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { verify } from './verify.ts';

let sound: TestDatabase;

beforeAll(async () => {
  const fixture = await openCards();
  const cards = await fixture.process();
  const balances = { FOOD: 500, MEAL: 1000, CASH: 700 };
  for (const account of ['123', '124'])
    await cards.order({ operation: 'cards.create', account, currency: 'BRL', balances });
  await cards.order({ operation: 'cards.block', account: '124' });
  const rules = [{ pattern: 'PADARIA', match: 'prefix', category: 'FOOD' }] as const;
  await cards.order({ operation: 'merchant_rules.replace', version: 0, rules });
  const buy = async (totalAmount: number, more: Record<string, unknown> = {}) => {
    const { cardTransaction } = await cards.purchase({
      account: '123',
      totalAmount,
      merchant: 'BAR',
      ...more,
    });
    return idOf('ctx', cardTransaction.uuid);
  };
  await buy(1, { id: 'a' });
  await buy(99);
  await buy(0);
  await buy(1, { capture: false, id: 'open' });
  const reversed = await buy(2, { id: 'b' });
  const captured = await buy(3, { capture: false });
  await cards.order(
    { operation: 'card_transactions.reverse', card_transaction_id: reversed, amount: 50 },
    'reversal',
  );
  await cards.order({ operation: 'card_transactions.capture', card_transaction_id: captured }, 'capture');
  sound = await fixture.leave();
});

afterAll(() => sound.drop());

const ONE = `(select id from cards.card_transactions where external_id = 'a')`;
const HELD = `(select id from cards.card_transactions where external_id = 'open')`;
const REVERSED = `(select id from cards.card_transactions where external_id = 'b')`;
const DIFFERENT = [['cards', 'different_card_transaction']] as const;

const DAMAGES: readonly Damage[] = [
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
  // Six card transactions, two of them with holds, two cards, one version of the rules.
  expect(checked).toMatchObject({ cards: 11, accounts: 8, entries: 6, currencies: 1 });
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
