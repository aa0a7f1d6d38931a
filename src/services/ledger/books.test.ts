import { describe, expect, test } from 'vitest';
import type { Decision } from '#kernel/decision.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { MAX_AMOUNT_MINOR } from '#kernel/money.ts';
import { type Account, type Balance, Books, type EntryDraft, type Hold } from './books.ts';

const TENANT = 'acme';
const NOW = Date.UTC(2026, 10, 20);

interface Given {
  readonly id: string;
  readonly currency?: string;
  readonly floorMinor?: bigint | null;
  readonly postedMinor?: bigint;
  readonly heldMinor?: bigint;
  readonly status?: 'open' | 'closed';
}

let keys = 0n;

function balanceOf({ id, currency = 'USD', floorMinor = 0n, ...state }: Given): Balance {
  keys += 1n;
  const account: Account = { key: keys, tenant: TENANT, id, kind: 'wallet', currency, floorMinor };
  return {
    account,
    status: 'open',
    postedMinor: 0n,
    heldMinor: 0n,
    sequence: 0n,
    lastPostedAt: NOW,
    ...state,
  };
}

/** Books over these accounts; a hold `h-<id>` stands for what is held on one. */
function given(...accounts: readonly Given[]): Books {
  const balances = accounts.map(balanceOf);
  const holds = balances
    .filter(({ heldMinor }) => heldMinor > 0n)
    .map(
      ({ account, heldMinor }): Hold => ({
        id: `h-${account.id}`,
        accountKey: account.key,
        amountMinor: heldMinor,
        state: 'open',
      }),
    );
  return new Books({ balances, holds, entryIds: [] });
}

function reserve(books: Books, accountId: string, amountMinor: bigint, id = 'new'): Decision<unknown> {
  return books.reserve({ id, tenant: TENANT, accountId, amountMinor });
}

type Lines = readonly (readonly [accountId: string, amountMinor: bigint])[];

/** An amount from one account to the other. */
function pay(from: string, amountMinor: bigint, to: string): Lines {
  return [
    [from, -amountMinor],
    [to, amountMinor],
  ];
}

function draft(lines: Lines, id = 'entry'): EntryDraft {
  const postings = lines.map(([accountId, amountMinor]) => ({ accountId, amountMinor }));
  return { id, tenant: TENANT, cause: id, purpose: 'manual', postings };
}

function post(books: Books, lines: Lines, id?: string): Decision<unknown> {
  return books.post(draft(lines, id), NOW);
}

/** What was decided, in a word: its value where that is one, the code of a refusal. */
function outcomeOf(decision: Decision<unknown>): string {
  if (!decision.ok) return decision.problem.code;
  return typeof decision.value === 'string' ? decision.value : 'ok';
}

function availableIn(books: Books, id: string): bigint {
  const balance = books.find(TENANT, id);
  if (balance === undefined) throw new Error(`no account ${id}`);
  return balance.postedMinor - balance.heldMinor;
}

const UNIT_AROUND = [-1n, 0n, 1n] as const;
const FUNDS = ['ok', 'ok', 'ledger.insufficient_funds'] as const;
const around = UNIT_AROUND.map((over, index) => [over, FUNDS[index] ?? ''] as const);

describe('B1: a debit or a hold never brings the available balance below the floor', () => {
  test.each(around)('a hold of what is available %i: %s', (over, expected) => {
    const books = given({ id: 'a', postedMinor: 100n, heldMinor: 30n });
    expect(outcomeOf(reserve(books, 'a', 70n + over)).replace('held', 'ok')).toBe(expected);
  });

  test.each(around)('a debit of what is available %i: %s', (over, expected) => {
    const books = given({ id: 'a', postedMinor: 100n, heldMinor: 30n }, { id: 'b' });
    expect(outcomeOf(post(books, pay('a', 70n + over, 'b')))).toBe(expected);
  });

  test.each(around)('a debit down to a floor below zero %i: %s', (over, expected) => {
    const books = given({ id: 'a', floorMinor: -50n }, { id: 'b' });
    expect(outcomeOf(post(books, pay('a', 50n + over, 'b')))).toBe(expected);
  });

  test.each(around)('a debit down to a floor above zero %i: %s', (over, expected) => {
    const books = given({ id: 'a', postedMinor: 100n, floorMinor: 40n }, { id: 'b' });
    expect(outcomeOf(post(books, pay('a', 60n + over, 'b')))).toBe(expected);
  });

  test.each(around)(
    'a capture beyond its hold, of the hold and what is available %i: %s',
    (over, expected) => {
      const books = given({ id: 'a', postedMinor: 100n, heldMinor: 30n }, { id: 'b' });
      const amount = 100n + over;
      expect(outcomeOf(books.capture('h-a', draft(pay('a', amount, 'b')), NOW))).toBe(expected);
    },
  );

  test('what one account gets and gives in the same entry counts by its net', () => {
    const books = given({ id: 'a', postedMinor: 10n }, { id: 'b', floorMinor: null });
    expect(
      outcomeOf(
        post(books, [
          ['a', -100n],
          ['b', 100n],
          ['a', 90n],
          ['b', -90n],
        ]),
      ),
    ).toBe('ok');
    expect(availableIn(books, 'a')).toBe(0n);
  });

  test('a credit is taken below the floor too', () => {
    const books = given({ id: 'a', floorMinor: 100n }, { id: 'b', floorMinor: null });
    expect(outcomeOf(post(books, pay('b', 1n, 'a')))).toBe('ok');
  });
});

describe('no balance leaves what every JSON reader keeps exactly', () => {
  const range = UNIT_AROUND.map((over) => [over, over > 0n ? 'ledger.amount_out_of_range' : 'ok'] as const);

  test.each(range)('a credit up to 2^53−1 %i: %s', (over, expected) => {
    const books = given({ id: 'full', postedMinor: MAX_AMOUNT_MINOR - 5n }, { id: 'b', floorMinor: null });
    expect(outcomeOf(post(books, pay('b', 5n + over, 'full')))).toBe(expected);
  });

  test.each(range)('a debit without a floor down to −(2^53−1) %i: %s', (over, expected) => {
    const books = given({ id: 'deep', postedMinor: 5n - MAX_AMOUNT_MINOR, floorMinor: null }, { id: 'b' });
    expect(outcomeOf(post(books, pay('deep', 5n + over, 'b')))).toBe(expected);
  });

  test.each(around)('a hold without a floor down to −(2^53−1) %i: %s', (over, expected) => {
    const books = given({ id: 'deep', postedMinor: 5n - MAX_AMOUNT_MINOR, floorMinor: null });
    expect(outcomeOf(reserve(books, 'deep', 5n + over)).replace('held', 'ok')).toBe(expected);
  });

  test.each(range)('held up to 2^53−1 %i: %s', (over, expected) => {
    const books = given({ id: 'a', postedMinor: 100n, heldMinor: MAX_AMOUNT_MINOR - 5n, floorMinor: null });
    expect(outcomeOf(reserve(books, 'a', 5n + over)).replace('held', 'ok')).toBe(expected);
  });

  test('nor between two lines of an entry', () => {
    const books = given({ id: 'full', postedMinor: MAX_AMOUNT_MINOR }, { id: 'b', floorMinor: null });
    const lines: Lines = [
      ['b', -1n],
      ['full', 1n],
      ['full', -1n],
      ['b', 1n],
    ];
    expect(outcomeOf(post(books, lines))).toBe('ledger.amount_out_of_range');
  });
});

describe('B2: an entry sums to zero in each currency', () => {
  test.each([
    [-1n, 'ledger.unbalanced_entry'],
    [0n, 'ok'],
    [1n, 'ledger.unbalanced_entry'],
  ])('credits beyond debits by %i: %s', (over, expected) => {
    const books = given({ id: 'a', postedMinor: 100n }, { id: 'b' });
    expect(
      outcomeOf(
        post(books, [
          ['a', -50n],
          ['b', 50n + over],
        ]),
      ),
    ).toBe(expected);
  });

  test.each([
    [-1n, 'ledger.currency_mismatch'],
    [0n, 'ok'],
    [1n, 'ledger.currency_mismatch'],
  ])('of two currencies, credits of one beyond its debits by %i: %s', (over, expected) => {
    const books = given(
      { id: 'a', floorMinor: null },
      { id: 'b' },
      { id: 'c', currency: 'BRL', floorMinor: null },
      { id: 'd', currency: 'BRL' },
    );
    expect(
      outcomeOf(
        post(books, [
          ['a', -5n],
          ['b', 5n],
          ['c', -7n],
          ['d', 7n + over],
        ]),
      ),
    ).toBe(expected);
  });
});

describe('a closed or unknown account', () => {
  const accounts: readonly Given[] = [
    { id: 'a', postedMinor: 10n },
    { id: 'gone', status: 'closed' },
  ];

  test.each([
    ['gone', 'ledger.account_closed'],
    ['nobody', 'ledger.account_not_found'],
  ])('%s takes no hold and no posting', (id, code) => {
    expect(outcomeOf(reserve(given(...accounts), id, 1n))).toBe(code);
    expect(outcomeOf(post(given(...accounts), pay('a', 1n, id)))).toBe(code);
    expect(outcomeOf(given(...accounts).closeAccount(TENANT, id))).toBe(code);
  });

  test('of another tenant is unknown', () => {
    expect(given(...accounts).find('other', 'a')).toBeUndefined();
  });

  test('keeps its id taken', () => {
    const books = given(...accounts);
    const account: Account = {
      key: 99n,
      tenant: TENANT,
      id: 'gone',
      kind: 'wallet',
      currency: 'USD',
      floorMinor: 0n,
    };
    expect(outcomeOf(books.openAccount(account, NOW))).toBe('ledger.account_exists');
    expect(outcomeOf(books.openAccount({ ...account, tenant: 'other' }, NOW))).toBe('ok');
  });

  test.each([
    [{ postedMinor: -1n }, 'ledger.account_not_empty'],
    [{ postedMinor: 0n }, 'ok'],
    [{ postedMinor: 1n }, 'ledger.account_not_empty'],
    [{ heldMinor: 1n }, 'ledger.account_not_empty'],
    [{ postedMinor: 1n, heldMinor: 1n }, 'ledger.account_not_empty'],
  ])('comes of closing one with %o: %s', (state, expected) => {
    expect(outcomeOf(given({ id: 'a', floorMinor: null, ...state }).closeAccount(TENANT, 'a'))).toBe(
      expected,
    );
  });
});

describe('B6: an account waits for what is to be paid to it', () => {
  const promise = (books: Books, payeeId: string) =>
    books.reserve({ id: 'promise', tenant: TENANT, accountId: 'a', amountMinor: 30n, payeeId });
  const accounts: readonly Given[] = [
    { id: 'a', postedMinor: 100n },
    { id: 'b' },
    { id: 'c' },
    { id: 'gone', status: 'closed' },
  ];

  test.each([
    ['b', 'held'],
    ['gone', 'ledger.account_closed'],
    ['nobody', 'ledger.account_not_found'],
  ])('held for %s: %s', (payee, expected) => {
    const books = given(...accounts);
    expect(outcomeOf(promise(books, payee))).toBe(expected);
    expect(availableIn(books, 'a')).toBe(expected === 'held' ? 70n : 100n);
  });

  test('it is not closed before, and nobody else waits', () => {
    const books = given(...accounts);
    promise(books, 'b');
    const closed = books.closeAccount(TENANT, 'b');
    expect(outcomeOf(closed)).toBe('ledger.account_not_empty');
    expect(closed).toMatchObject({ problem: { members: { account_id: 'b' } } });
    expect(outcomeOf(books.closeAccount(TENANT, 'c'))).toBe('ok');
  });

  test('it is closed once nothing comes any more, and not before it has passed on what came', () => {
    const released = given(...accounts);
    promise(released, 'b');
    released.release('promise');
    expect(outcomeOf(released.closeAccount(TENANT, 'b'))).toBe('ok');
    const captured = given(...accounts);
    promise(captured, 'b');
    captured.capture('promise', draft(pay('a', 30n, 'b')), NOW);
    expect(outcomeOf(captured.closeAccount(TENANT, 'b'))).toBe('ledger.account_not_empty');
    captured.post(draft(pay('b', 30n, 'c'), 'on'), NOW);
    expect(outcomeOf(captured.closeAccount(TENANT, 'b'))).toBe('ok');
  });
});

describe('B4: a hold ends once', () => {
  const capture = (books: Books) => books.capture('h-a', draft(pay('a', 30n, 'b')), NOW);
  const release = (books: Books) => books.release('h-a');
  const expire = (books: Books) => books.release('h-a', 'expired');

  test.each([
    [
      'captured, then captured for another entry',
      capture,
      (books: Books) => books.capture('h-a', draft(pay('a', 30n, 'b'), 'other'), NOW),
      'ledger.hold_closed',
    ],
    ['captured, then released', capture, release, 'ledger.hold_closed'],
    ['released, then captured', release, capture, 'ledger.hold_closed'],
    ['expired, then captured', expire, capture, 'ledger.hold_closed'],
    ['expired, then released', expire, release, 'already'],
    ['captured again', capture, capture, 'already'],
    ['released again', release, release, 'already'],
  ])('%s', (_case, first, then, expected) => {
    const books = given({ id: 'a', postedMinor: 100n, heldMinor: 30n }, { id: 'b' });
    expect(first(books).ok).toBe(true);
    const left = availableIn(books, 'a');
    expect(outcomeOf(then(books))).toBe(expected);
    expect(availableIn(books, 'a')).toBe(left);
  });

  test('that nobody placed cannot end', () => {
    const books = given({ id: 'a', postedMinor: 100n }, { id: 'b' });
    expect(outcomeOf(books.release('none'))).toBe('ledger.hold_closed');
    expect(outcomeOf(books.capture('none', draft(pay('a', 1n, 'b')), NOW))).toBe('ledger.hold_closed');
  });

  test('a capture that is refused leaves the hold as it was', () => {
    const books = given({ id: 'a', postedMinor: 100n, heldMinor: 30n }, { id: 'gone', status: 'closed' });
    expect(outcomeOf(books.capture('h-a', draft(pay('a', 30n, 'gone')), NOW))).toBe('ledger.account_closed');
    expect([availableIn(books, 'a'), books.findHold('h-a')?.state]).toEqual([70n, 'open']);
    expect(books.changes()).toEqual({ balances: [], holdsOpened: [], holdsClosed: [], entries: [] });
  });

  test('one whose account was not locked with it is our mistake', () => {
    const hold: Hold = { id: 'h', accountKey: 1n, amountMinor: 1n, state: 'open' };
    const books = new Books({ balances: [], holds: [hold], entryIds: [] });
    expect(() => books.release('h')).toThrow(InvariantViolation);
  });
});
