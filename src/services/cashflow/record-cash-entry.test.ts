import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { isRfc3339 } from '#platform/http/instants.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { type Account, type AccountKind, accountRef, Books } from '#services/ledger/contract.ts';
import { loadEventContracts } from '../../../tests/event-contracts.ts';
import type { CashEntryReading } from './cash-entry.ts';
import type { CashEntryTerms } from './cash-orders.ts';
import { contraAccountId } from './contra-account.ts';
import { type CashBooks, type Recorded, recordCashEntry } from './record-cash-entry.ts';
import { cashEntryEvent, ledgerEvents } from './render-events.ts';
import { type ReverseRequest, reverseCashEntry } from './reverse-cash-entry.ts';

const TENANT = 'acme';
/** In São Paulo it is still the 19th. */
const NOW = Date.parse('2026-11-20T02:30:00Z');
const LARGEST = Number.MAX_SAFE_INTEGER;
const ORIGIN = { correlationId: 'cor', causation: 'req', traceparent: null };

const TERMS: CashEntryTerms = {
  account_id: 'book',
  direction: 'credit',
  amount: 1230,
  occurred_on: '2026-11-19',
  description: 'Coffee beans',
};

function given(
  books: readonly { id: string; kind?: AccountKind; floorMinor?: bigint | null; zone?: string }[] = [
    { id: 'book' },
  ],
): CashBooks {
  const opened = new Books({ balances: [], holds: [], entryIds: [] });
  books.forEach(({ id, kind = 'cashbook', floorMinor = null }, index) => {
    const account: Account = {
      key: BigInt(index + 1),
      tenant: TENANT,
      id,
      kind,
      currency: 'BRL',
      floorMinor,
    };
    opened.openAccount(account, NOW);
  });
  const timeZones = new Map(
    books.map(({ id, zone = 'America/Sao_Paulo' }) => [accountRef({ tenant: TENANT, id }), zone]),
  );
  return { books: opened, timeZones, keys: [101n, 102n, 103n], unwritten: new Map() };
}

let made = 0;
function uuid(): string {
  made += 1;
  return `01a1d2b6-4ca8-78a9-8544-${String(made).padStart(12, '0')}`;
}

function record(on: CashBooks, terms: Partial<CashEntryTerms> = {}) {
  return recordCashEntry(
    on,
    { tenant: TENANT, uuid: uuid(), terms: { ...TERMS, ...terms }, source: null },
    NOW,
  );
}

function recorded(on: CashBooks, terms: Partial<CashEntryTerms> = {}): Recorded {
  const decided = record(on, terms);
  if (!decided.ok) throw new Error(decided.problem.detail);
  return decided.value;
}

function posted(on: CashBooks, id: string): bigint | undefined {
  return on.books.find(TENANT, id)?.postedMinor;
}

describe('F1: a cash entry', () => {
  test.each([
    ['credit', 1230n],
    ['debit', -1230n],
  ] as const)(
    'by %s changes the book by %d, and the account of its category the other way',
    (direction, by) => {
      const on = given();
      const { entry, cashEntry } = recorded(on, { direction, category: 'Food' });
      expect(posted(on, 'book')).toBe(by);
      expect(posted(on, cashEntry.contraAccountId)).toBe(-by);
      expect(entry).toMatchObject({
        purpose: 'cash_entry',
        effectiveOn: '2026-11-19',
        description: 'Coffee beans',
      });
    },
  );

  test('brings the account of its category when it is the first of it, and only then', () => {
    const on = given();
    const first = recorded(on, { category: 'Food' });
    expect(first.opened?.account).toMatchObject({ kind: 'external', floorMinor: null, currency: 'BRL' });
    expect(first.opened?.profile.name).toBe('Food');
    expect(recorded(on, { category: 'Food' }).opened).toBeUndefined();
    expect(recorded(on).opened?.account.id).toBe('cash-BRL-uncategorized');
  });

  test('that is refused leaves the account to the next of its category to bring', () => {
    const on = given([{ id: 'book' }, { id: 'floored', floorMinor: 0n }]);
    expect(record(on, { account_id: 'floored', direction: 'debit' }).ok).toBe(false);
    expect(recorded(on).opened?.account.id).toBe('cash-BRL-uncategorized');
  });
});

describe('F5: what is refused changes nothing', () => {
  test.each<[string, Partial<CashEntryTerms>, string, string]>([
    ['an account that is not there', { account_id: 'nobody' }, 'ledger.account_not_found', '/account_id'],
    ['an account of another kind', { account_id: 'wallet' }, 'cashflow.not_a_cash_book', '/account_id'],
    ['a closed account', { account_id: 'closed' }, 'ledger.account_closed', '/account_id'],
    ['tomorrow where the account is', { occurred_on: '2026-11-20' }, 'cashflow.future_date', '/occurred_on'],
    [
      'more than there is above a floor',
      { account_id: 'floored', direction: 'debit' },
      'ledger.insufficient_funds',
      '/amount',
    ],
  ])('%s', (_what, terms, code, pointer) => {
    const on = given([
      { id: 'book' },
      { id: 'wallet', kind: 'wallet' },
      { id: 'closed' },
      { id: 'floored', floorMinor: 0n },
    ]);
    on.books.closeAccount(TENANT, 'closed');
    const decided = record(on, terms);
    expect(decided).toMatchObject({ ok: false, problem: { code, errors: [{ pointer }] } });
    expect(on.books.changes().entries).toEqual([]);
  });

  test('a balance beyond the range, at its edge', () => {
    const on = given();
    expect(record(on, { amount: LARGEST }).ok).toBe(true);
    expect(record(on, { amount: 1 })).toMatchObject({ problem: { code: 'ledger.amount_out_of_range' } });
    expect(record(on, { direction: 'debit', amount: 1 }).ok).toBe(true);
  });

  test('an account of the category’s name that is something else', () => {
    const on = given([{ id: 'book' }, { id: contraAccountId('BRL', 'Food'), kind: 'wallet' }]);
    expect(record(on, { category: 'Food' })).toMatchObject({ problem: { code: 'cashflow.account_taken' } });
  });
});

test.each([
  ['America/Sao_Paulo', '2026-11-19', '2026-11-20'],
  ['UTC', '2026-11-20', '2026-11-21'],
  ['Pacific/Kiritimati', '2026-11-20', '2026-11-21'],
])('F6: in %s %s is today and %s is the future', (zone, today, tomorrow) => {
  const on = given([{ id: 'book', zone }]);
  expect(record(on, { occurred_on: today }).ok).toBe(true);
  expect(record(on, { occurred_on: tomorrow })).toMatchObject({ problem: { code: 'cashflow.future_date' } });
});

describe('F5: a reversal', () => {
  function reverse(on: CashBooks, original: CashEntryReading, request: Partial<ReverseRequest> = {}) {
    return reverseCashEntry(on, original, { uuid: uuid(), reason: null, occurredOn: null, ...request }, NOW);
  }

  test('is an entry the other way round, for today unless a day is given', () => {
    const on = given();
    const { cashEntry } = recorded(on, { category: 'Food', occurred_on: '2026-10-01' });
    const back = reverse(on, { ...cashEntry, reversedBy: null }, { reason: 'Returned' });
    expect(back).toMatchObject({
      value: {
        cashEntry: {
          direction: 'debit',
          occurredOn: '2026-11-19',
          description: 'Returned',
          reverses: cashEntry.uuid,
        },
      },
    });
    expect([posted(on, 'book'), posted(on, cashEntry.contraAccountId)]).toEqual([0n, 0n]);
  });

  test.each<[string, Partial<CashEntryReading>, Partial<ReverseRequest>, string]>([
    ['of an entry that was reversed', { reversedBy: uuid() }, {}, 'cashflow.already_reversed'],
    ['of a reversal', { reverses: uuid() }, {}, 'cashflow.is_a_reversal'],
    ['for tomorrow', {}, { occurredOn: '2026-11-20' }, 'cashflow.future_date'],
    ['for the day before', {}, { occurredOn: '2026-11-18' }, 'cashflow.reversed_before_it_occurred'],
  ])('%s is refused', (_what, of, request, code) => {
    const on = given();
    const { cashEntry } = recorded(on);
    expect(reverse(on, { ...cashEntry, reversedBy: null, ...of }, request)).toMatchObject({
      problem: { code },
    });
    expect(posted(on, 'book')).toBe(1230n);
  });
});

describe('the account of a category', () => {
  const IDS = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

  test.each([
    ['Aluguel São João', 'cash-BRL-aluguel-sao-joao-'],
    ['家賃', 'cash-BRL-'],
    ['\u{1F4B8}'.repeat(64), 'cash-BRL-'],
    ['x'.repeat(64), 'cash-BRL-xxxx'],
    ['-', 'cash-BRL-'],
  ])('of %j has a legal id', (category, beginning) => {
    const id = contraAccountId('BRL', category);
    expect(id).toMatch(IDS);
    expect(id.startsWith(beginning)).toBe(true);
  });

  test('is another for texts that look the same, and none is that of no category', () => {
    const categories = ['rent', 'Rent', 'rent ', 'rent!', 'uncategorized', null];
    const ids = new Set(categories.map((category) => contraAccountId('BRL', category)));
    expect(ids.size).toBe(categories.length);
  });
});

describe('P8: the events keep their contracts', () => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
  ajv.addFormat('date-time', isRfc3339);
  const validators = new Map(
    loadEventContracts().map(({ service, type, version, schema }) => [
      `${service} ${type}/${version}`,
      ajv.compile(schema),
    ]),
  );
  const faultsOf = (topic: string, { type, version, data }: EventDraft): unknown => {
    const isValid = validators.get(`${topic} ${type}/${version}`);
    if (isValid === undefined) return 'no contract';
    return isValid(JSON.parse(JSON.stringify(data))) ? [] : isValid.errors;
  };

  test.each([
    ['with only what it must have', {}],
    ['with all that it may have', { category: '\u{1F4B8}'.repeat(64), description: '€'.repeat(500) }],
  ])('of an entry %s, and of its reversal', (_what, terms) => {
    const on = given();
    const source = { importUuid: uuid(), line: 2 };
    const request = { tenant: TENANT, uuid: uuid(), terms: { ...TERMS, ...terms }, source };
    const first = recordCashEntry(on, request, NOW);
    if (!first.ok) throw new Error(first.problem.detail);
    const original = { ...first.value.cashEntry, reversedBy: null };
    const back = reverseCashEntry(on, original, { uuid: uuid(), reason: null, occurredOn: null }, NOW);
    if (!back.ok) throw new Error(back.problem.detail);
    const own = [first.value, back.value].map((each) => cashEntryEvent(each, ORIGIN));
    const ledgers = [first.value, back.value].flatMap((each) => ledgerEvents(each, ORIGIN));
    expect(own.map(({ type }) => type)).toEqual(['cash_entry.recorded', 'cash_entry.reversed']);
    expect(new Set(own.map(({ subject }) => subject))).toEqual(new Set([idOf('cen', original.uuid)]));
    expect(own.map((draft) => faultsOf('cashflow', draft))).toEqual([[], []]);
    expect(ledgers.map(({ topic, draft }) => faultsOf(topic, draft))).toEqual([[], [], []]);
  });
});
