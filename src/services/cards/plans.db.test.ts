import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Statement } from '#platform/postgres/session.ts';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { type CardFixture, openCards, TENANT } from '../../../tests/card-fixture.ts';
import { hotPlan, readPlan, statementsOf } from '../../../tests/query-plan.ts';
import { listCards, listCardTransactionRefs, listOpenHoldRefs, listRulesVersions } from './audit.ts';
import * as cardStore from './card-store.ts';
import * as confirmationStore from './confirmation-store.ts';
import * as holdStore from './hold-store.ts';
import { CardReads } from './reads.ts';
import * as rulesStore from './rules-store.ts';
import * as store from './store.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

const CARD = ['cards_pkey'];
const CARD_TRANSACTION = ['card_transactions_pkey'];
const RULES = ['merchant_rules_pkey'];

/** Each statement of the workers with the indexes it stands on, whatever the tables hold. */
const HOT: readonly (readonly [Statement, readonly string[]])[] = [
  [cardStore.FIND_CARDS, CARD],
  [cardStore.INSERT_CARDS, []],
  [cardStore.UPDATE_CARDS, CARD],
  [store.FIND_CLAIMS, ['card_transactions_claim']],
  [store.FIND_CARD_TRANSACTIONS, CARD_TRANSACTION],
  [store.LOCK_CARD_TRANSACTIONS, CARD_TRANSACTION],
  [store.LOCK_FREE_CARD_TRANSACTIONS, CARD_TRANSACTION],
  [store.INSERT_CARD_TRANSACTIONS, []],
  [store.INSERT_UNLESS_THERE, []],
  [store.UPDATE_CARD_TRANSACTIONS, CARD_TRANSACTION],
  [confirmationStore.CONFIRM, CARD_TRANSACTION],
  [confirmationStore.FORGET_UNCONFIRMED, ['unconfirmed_pkey']],
  [confirmationStore.MARK_REPEATED, CARD_TRANSACTION],
  [confirmationStore.MARK_UNCONFIRMED, CARD_TRANSACTION],
  [confirmationStore.SAVE_DECIDER, []],
  [holdStore.INSERT_OPEN_HOLDS, []],
  [holdStore.DELETE_OPEN_HOLDS, ['open_holds_pkey']],
  [rulesStore.FIND_RULES_VERSIONS, RULES],
  [rulesStore.FIND_RULES, RULES],
  [rulesStore.INSERT_RULES, []],
  [holdStore.POSTPONE_HOLD, ['open_holds_pkey']],
  [holdStore.FIND_DUE_HOLDS, ['open_holds_due']],
];

/** Over a table that has a row per process: a scan is right. */
const BOUNDED = [confirmationStore.BURY_DECIDERS, confirmationStore.FORGET_DECIDERS];

let fixture: CardFixture;

beforeAll(async () => {
  fixture = await openCards();
});
afterAll(() => fixture.close());

function pinPlans(): void {
  test.each(HOT)('$name looks up, whatever it is given', async (statement, indexes) => {
    expect(await hotPlan(fixture.url, statement)).toMatchObject({ indexes, faults: [] });
  });
}

test('every statement of the service is pinned here', () => {
  const statements = statementsOf(store, cardStore, confirmationStore, holdStore, rulesStore);
  const pinned = new Set([...HOT.map(([{ name }]) => name), ...BOUNDED.map(({ name }) => name)]);
  expect(statements.filter(({ name }) => !pinned.has(name))).toEqual([]);
});

test('no statement fails in a live session when a migration adds a column', async () => {
  // It is given no rows, and this one is one.
  const statements = HOT.map(([statement]) => statement).filter(
    (each) => each !== confirmationStore.SAVE_DECIDER,
  );
  const tables = ['cards.cards', 'cards.card_transactions', 'cards.merchant_rules', 'cards.open_holds'];
  expect(await failuresByAddedColumn(fixture.url, { tables, statements })).toEqual([]);
});

describe('on tables that statistics call empty', () => {
  beforeAll(() => fixture.owner.query('vacuum analyze'));

  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();

  const uuid = '01a1d2b6-4ca8-78a9-4544-cf2fd7d28367';
  const page = { before: uuid, limit: 51 };
  const reads = (reader: Reader) => new CardReads(reader, { findAccount: async () => undefined });
  const READS: readonly (readonly [string, (reader: Reader) => Promise<unknown>, readonly string[]])[] = [
    ['a card', (reader) => reads(reader).findCard(TENANT, 'card-1'), CARD],
    [
      'a card transaction',
      (reader) => reads(reader).findCardTransaction(TENANT, uuid),
      ['card_transactions_pkey', 'unconfirmed_pkey'],
    ],
    [
      'a page of card transactions',
      (reader) => reads(reader).listCardTransactions(TENANT, {}, page),
      ['card_transactions_pkey', 'unconfirmed_pkey'],
    ],
    [
      'a page of an account’s',
      (reader) => reads(reader).listCardTransactions(TENANT, { account: 'card-1' }, page),
      ['card_transactions_by_account', 'unconfirmed_pkey'],
    ],
    [
      'a page of a code and a time',
      (reader) => reads(reader).listCardTransactions(TENANT, { code: '51', from: 0, to: 1 }, page),
      ['card_transactions_pkey', 'unconfirmed_pkey'],
    ],
    [
      'a page of an account’s of a code',
      (reader) => reads(reader).listCardTransactions(TENANT, { account: 'card-1', code: '51' }, page),
      ['card_transactions_by_account', 'unconfirmed_pkey'],
    ],
    [
      'a page of those that nobody may have been told',
      (reader) => reads(reader).listCardTransactions(TENANT, { confirmation: 'unconfirmed' }, page),
      ['card_transactions_pkey', 'unconfirmed_pkey'],
    ],
    ['the merchant rules', (reader) => reads(reader).findRules(TENANT), RULES],
    [
      'a page of an audit',
      (reader) => listCardTransactionRefs(reader, { tenant: TENANT, uuid }, 100),
      CARD_TRANSACTION,
    ],
    [
      'a page of what waits to be given back',
      (reader) => listOpenHoldRefs(reader, { tenant: TENANT, uuid }, 100),
      ['open_holds_pkey'],
    ],
    ['a page of cards', (reader) => listCards(reader, { tenant: TENANT, account: 'card-1' }, 100), CARD],
    [
      'a page of versions of rules',
      (reader) => listRulesVersions(reader, { tenant: TENANT, version: 1 }, 100),
      RULES,
    ],
  ];

  test.each(READS)('%s is read by look-ups', async (_what, read, indexes) => {
    const asked: { text: string; values: readonly unknown[] }[] = [];
    const recording: Reader = {
      async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
        asked.push({ text, values });
        return (await fixture.owner.query<Row & object>(text, [...values])).rows;
      },
    };
    await read(recording);
    const plans = await Promise.all(asked.map(({ text, values }) => readPlan(fixture.url, text, values)));
    expect(plans.flatMap(({ faults, sorts }) => [...faults, ...sorts])).toEqual([]);
    expect([...new Set(plans.flatMap((plan) => plan.indexes))].toSorted()).toEqual(indexes.toSorted());
  });
});

async function fill(): Promise<void> {
  await fixture.owner.query(
    `insert into cards.cards select $1, 'card-' || n, 'BRL', 'active', now() from generate_series(1, $2::integer) n`,
    [TENANT, ROWS],
  );
  await fixture.owner.query(
    `insert into cards.card_transactions
     select $1, gen_random_uuid(), 'card-' || n % 100, 'id-' || n, gen_random_uuid(), gen_random_uuid(), '5811', 'A', 1, 'BRL', '00',
            'MEAL', 'mcc', null, null, 0, 1, 'captured', 1, 0, now()
     from generate_series(1, $2::integer) n`,
    [TENANT, ROWS],
  );
  await fixture.owner.query(
    `insert into cards.open_holds (tenant, id, due_at, correlation_id)
     select tenant, id, now() + interval '1 day', 'cor' from cards.card_transactions`,
  );
  await fixture.owner.query(
    `insert into cards.unconfirmed select tenant, id, now() from cards.card_transactions`,
  );
  await fixture.owner.query(
    `insert into cards.merchant_rules select 'tenant-' || n, 1, '[]', null, now() from generate_series(1, $1::integer) n`,
    [ROWS],
  );
  await fixture.owner.query('vacuum analyze');
}
