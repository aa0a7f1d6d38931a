import { beforeEach, describe, expect, test } from 'vitest';
import type { BatchTransaction } from './batch-transaction.ts';
import { loadEvents } from './consumer.ts';
import { countPostings, dayText, movementsOf } from './count-postings.ts';
import type { Day } from './day.ts';
import { KnownNames } from './known-names.ts';
import { type AccountState, lineUp } from './line-up.ts';
import { nameText, type Posting } from './posting.ts';
import { RememberedAccounts } from './remembered-accounts.ts';

const NAME = { tenant: 'acme', id: 'book' };
const TEXT = nameText(NAME);
const FACTS = { kind: 'cashbook', currency: 'BRL', timeZone: 'UTC', openedAt: 0 };
const NOON = Date.parse('2026-03-10T12:00:00Z');
const DAY_MS = 86_400_000;

function locked(found: Partial<AccountState> = {}): AccountState {
  return { ...NAME, key: 7n, facts: FACTS, sequence: 0n, lastDay: null, waiting: [], ...found };
}

function posting(sequence: number, postedAt = NOON): Posting {
  return {
    sequence: BigInt(sequence),
    entryUuid: `00000000-0000-7000-8000-${String(sequence).padStart(12, '0')}`,
    amountMinor: 5n,
    postedAfterMinor: 5n * BigInt(sequence),
    postedAt,
    effectiveOn: null,
    cause: `ledger/0/${sequence}`,
    correlationId: 'cor',
  };
}

/** A batch without postings asks the database for nothing. */
const UNASKED: BatchTransaction = {
  query: () => Promise.reject(new Error('the database was asked')),
  run: () => {
    throw new Error('the database was asked');
  },
};

let memory: RememberedAccounts;

beforeEach(() => {
  memory = new RememberedAccounts();
});

/** A batch of one account that is loaded, up to its commit with this number. The last day that it begins. */
function commit(
  account: AccountState,
  postings: readonly Posting[],
  change: bigint,
  rows: readonly Day[] = [],
): Day {
  memory.begin();
  const linedUp = lineUp(account, postings);
  const days = new Map(
    movementsOf(linedUp).map(({ day }) => [
      dayText({ key: 7n, day }),
      rows.find((row) => row.day === day) ?? ({ openingMinor: 0n, keptVersion: 0 } as const),
    ]),
  );
  const counted = countPostings([linedUp], { days, closings: new Map() }, NOON);
  memory.committed({ ...counted, linedUp: [linedUp], change });
  return counted.begun.at(-1) as Day;
}

describe('an account is remembered', () => {
  test('as its commit left it, with the number of that', () => {
    const day = commit(locked(), [posting(1), posting(2)], 40n);
    memory.begin();
    expect(memory.take(TEXT, [posting(3)])).toEqual({
      account: locked({ sequence: 2n, lastDay: '2026-03-10', change: 40n }),
      day,
      next: [posting(3)],
      early: [],
    });
  });

  test('with the last day that its commit begins, not with an earlier one that it changes', () => {
    const tenth = commit(locked(), [posting(1)], 40n);
    const loaded = locked({ sequence: 1n, lastDay: '2026-03-10' });
    commit(loaded, [posting(2), posting(3, NOON + DAY_MS)], 41n, [tenth]);
    memory.begin();
    expect(memory.take(TEXT, [posting(4)])).toBeUndefined();
    memory = new RememberedAccounts();
    commit(loaded, [posting(2), posting(3, NOON + DAY_MS)], 41n, [tenth]);
    memory.begin();
    expect(memory.take(TEXT, [posting(4, NOON + DAY_MS)])?.day?.day).toBe('2026-03-11');
  });

  test('RA2: by one batch, until that has committed', () => {
    commit(locked(), [posting(1)], 40n);
    memory.begin();
    expect(memory.take(TEXT, [posting(2)])).toBeDefined();
    expect(memory.take(TEXT, [posting(2)])).toBeUndefined();
  });

  test('U3: with what has come before, which counts for nothing', () => {
    commit(locked(), [posting(1)], 40n);
    memory.begin();
    expect(memory.take(TEXT, [posting(1)])).toMatchObject({ next: [], early: [] });
  });
});

describe('an account is locked and loaded', () => {
  test.each([
    ['that has a gap', [posting(3)]],
    ['that counts to another day', [posting(2, NOON + DAY_MS)]],
    ['that counts to an earlier day too', [posting(2), posting(3, NOON - DAY_MS)]],
  ])('%s', (_, postings) => {
    commit(locked(), [posting(1)], 40n);
    memory.begin();
    expect(memory.take(TEXT, postings)).toBeUndefined();
  });

  test('of which something still waits, or a later day than the counted one has a row', () => {
    commit(locked({ waiting: [posting(3)] }), [posting(1)], 40n);
    memory.begin();
    expect(memory.take(TEXT, [posting(2)])).toBeUndefined();
    memory = new RememberedAccounts();
    commit(locked({ lastDay: '2026-03-11' }), [posting(1)], 40n);
    memory.begin();
    expect(memory.take(TEXT, [posting(2)])).toBeUndefined();
  });

  test('RA2: that was remembered before a batch that failed, also if one that posts nothing commits between', async () => {
    commit(locked(), [posting(1)], 40n);
    memory.begin(); // fails
    const nothing = await loadEvents(UNASKED, [], { names: new KnownNames(), accounts: memory });
    memory.committed({ ...nothing, standings: [] });
    memory.begin();
    expect(memory.take(TEXT, [posting(2)])).toBeUndefined();
  });

  test('RA3: for twenty batches after one that did not commit', () => {
    commit(locked(), [posting(1)], 40n);
    memory.begin(); // fails
    for (let batch = 1; batch <= 20; batch++) {
      commit(locked({ sequence: 1n }), [posting(2)], 41n);
      expect(memory.take(TEXT, [posting(3)])).toBeUndefined();
    }
    commit(locked({ sequence: 1n }), [posting(2)], 42n);
    memory.begin();
    expect(memory.take(TEXT, [posting(3)])?.account.change).toBe(42n);
  });
});
