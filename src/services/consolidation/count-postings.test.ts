import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dayAt } from './business-day.ts';
import { type Closings, type Counted, countPostings, dayText, movementsOf } from './count-postings.ts';
import { type Beginning, type Day, linkHash } from './day.ts';
import { type AccountState, lineUp } from './line-up.ts';
import type { Posting } from './posting.ts';

const ZONES = ['America/Sao_Paulo', 'UTC', 'Europe/Lisbon', 'Pacific/Kiritimati'] as const;
/** Around both clock changes of Lisbon in 2026, and the end of a year. */
const STARTS = ['2026-03-28T18:00:00Z', '2026-10-24T18:00:00Z', '2026-12-31T06:00:00Z'].map((at) =>
  Date.parse(at),
);
const NOW = Date.parse('2027-01-02T00:00:00Z');

/** The tables, as a batch finds and leaves them. */
class Tables {
  readonly days = new Map<string, Day>();
  readonly versions: Day[] = [];
  readonly reopened: string[] = [];
  /** Of what was to wait, what had been counted or waited already. */
  readonly waitingTwice: Posting[] = [];
  account: AccountState;

  constructor(timeZone: string) {
    const facts = { kind: 'wallet', currency: 'BRL', timeZone, openedAt: 0 };
    this.account = { key: 1n, tenant: 'acme', id: 'a', facts, sequence: 0n, lastDay: null, waiting: [] };
  }

  rows(): Day[] {
    return [...this.days.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
  }

  deliver(postings: readonly Posting[]): void {
    const linedUp = lineUp(this.account, postings);
    const known = new Set(this.account.waiting.map(({ sequence }) => sequence));
    const again = linedUp.early.filter(
      (each) => each.sequence <= this.account.sequence || known.has(each.sequence),
    );
    this.waitingTwice.push(...again);
    const wanted = movementsOf(linedUp).map(({ day }) => day);
    const days = new Map(wanted.map((day) => [dayText({ key: 1n, day }), this.#find(day)]));
    const closings = new Map<bigint, Closings>();
    this.#apply(countPostings([linedUp], { days, closings }, NOW));
    const { sequence } = this.account;
    const waiting = [...this.account.waiting, ...linedUp.early].filter((each) => each.sequence > sequence);
    this.account = { ...this.account, waiting };
  }

  seal(): void {
    for (const [day, row] of this.days) this.days.set(day, { ...row, sealedAt: NOW });
  }

  #find(day: string): Day | Beginning {
    const row = this.days.get(day);
    if (row !== undefined) return row;
    return {
      openingMinor: this.rows().findLast((other) => other.day < day)?.closingMinor ?? 0n,
      keptVersion: 0,
    };
  }

  #apply({ begun, changed, shifts, standings, reopened }: Counted): void {
    for (const day of [...begun, ...changed]) {
      const before = this.days.get(day.day);
      if (before !== undefined) this.versions.push(before);
      this.days.set(day.day, day);
    }
    for (const { after, before, byMinor } of shifts) {
      for (const row of this.rows().filter(({ day }) => day > after && (before === null || day < before))) {
        this.versions.push(row);
        const openingMinor = row.openingMinor + byMinor;
        const closingMinor = row.closingMinor + byMinor;
        this.days.set(row.day, { ...row, openingMinor, closingMinor, version: row.version + 1 });
      }
    }
    for (const { sequence, lastDay } of standings) this.account = { ...this.account, sequence, lastDay };
    this.reopened.push(...reopened.map(({ data }) => data.date));
  }
}

/** What days are, as plainly as it can be said. */
function recomputed(postings: readonly Posting[], timeZone: string) {
  const days = [
    ...new Set(postings.map((posting) => posting.effectiveOn ?? dayAt(posting.postedAt, timeZone))),
  ].sort();
  const sum = (some: readonly Posting[]): bigint =>
    some.reduce((total, { amountMinor }) => total + amountMinor, 0n);
  const dayOf = (posting: Posting) => posting.effectiveOn ?? dayAt(posting.postedAt, timeZone);
  return days.map((day) => {
    const own = postings.filter((posting) => dayOf(posting) === day);
    return {
      day,
      openingMinor: sum(postings.filter((posting) => dayOf(posting) < day)),
      creditsMinor: sum(own.filter(({ amountMinor }) => amountMinor > 0n)),
      debitsMinor: -sum(own.filter(({ amountMinor }) => amountMinor < 0n)),
      count: BigInt(own.length),
      closingMinor: sum(postings.filter((posting) => dayOf(posting) <= day)),
      hash: own.reduce(linkHash, ''),
    };
  });
}

function figuresOf({ day, openingMinor, creditsMinor, debitsMinor, count, closingMinor, hash }: Day) {
  return { day, openingMinor, creditsMinor, debitsMinor, count, closingMinor, hash };
}

interface Made {
  readonly minutes: number;
  readonly amount: number;
  readonly backBy: number | null;
}

function postingsFrom(made: readonly Made[], start: number): Posting[] {
  let posted = 0n;
  let at = start;
  return made.map(({ minutes, amount, backBy }, index) => {
    posted += BigInt(amount);
    at += minutes * 60_000;
    return {
      sequence: BigInt(index + 1),
      entryUuid: `00000000-0000-0000-0000-${String(index).padStart(12, '0')}`,
      amountMinor: BigInt(amount),
      postedAfterMinor: posted,
      postedAt: at,
      effectiveOn: backBy === null ? null : new Date(at - backBy * 86_400_000).toISOString().slice(0, 10),
      cause: `ledger/0/${index + 1}`,
      correlationId: 'cor',
    };
  });
}

const made = fc.record({
  minutes: fc.nat(900),
  amount: fc.integer({ min: -500, max: 500 }).filter((amount) => amount !== 0),
  backBy: fc.option(fc.nat(12), { freq: 2 }),
});

test('U3, F6: any order, split, repetition and sealing gives the days of a plain recomputation', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      fc.constantFrom(...STARTS),
      fc.array(made, { minLength: 1, maxLength: 40 }),
      fc.infiniteStream(fc.nat()),
      (zone, start, all, numbers) => {
        const next = (below: number): number => (numbers.next().value as number) % below;
        const postings = postingsFrom(all, start);
        const deliveries = [...postings, ...postings.filter(() => next(3) === 0)];
        for (let index = deliveries.length - 1; index > 0; index--) {
          const other = next(index + 1);
          [deliveries[index], deliveries[other]] = [
            deliveries[other] as Posting,
            deliveries[index] as Posting,
          ];
        }
        const tables = new Tables(zone);
        while (deliveries.length > 0) {
          tables.deliver(deliveries.splice(0, 1 + next(6)));
          if (next(5) === 0) tables.seal();
        }
        expect(tables.rows().map(figuresOf)).toEqual(recomputed(postings, zone));
        expect(tables.account.waiting).toEqual([]);
        expect(tables.waitingTwice).toEqual([]);
        for (const row of tables.rows()) {
          const kept = tables.versions.filter(({ day }) => day === row.day).map(({ version }) => version);
          expect([...kept, row.version]).toEqual(
            Array.from({ length: row.version }, (_, index) => index + 1),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('F6: a day that is open is not opened again', () => {
  const tables = new Tables('UTC');
  const postings = postingsFrom(
    [
      { minutes: 0, amount: 100, backBy: null },
      { minutes: 1, amount: 10, backBy: null },
    ],
    Date.parse('2026-11-01T12:00:00Z'),
  );
  for (const posting of postings) tables.deliver([posting]);
  expect(tables.reopened).toEqual([]);
  expect(tables.rows()).toMatchObject([{ version: 2, closingMinor: 110n }]);
});

test('F6: a late posting opens its sealed day again and moves the days after it, which stay sealed', () => {
  const tables = new Tables('UTC');
  const start = Date.parse('2026-11-01T12:00:00Z');
  const postings = postingsFrom(
    [
      { minutes: 0, amount: 100, backBy: null },
      { minutes: 1440, amount: 10, backBy: null },
      { minutes: 1440, amount: 1, backBy: null },
      { minutes: 1440, amount: -7, backBy: 3 },
    ],
    start,
  );
  tables.deliver(postings.slice(0, 3));
  tables.seal();
  tables.deliver(postings.slice(3));
  expect(tables.reopened).toEqual(['2026-11-01']);
  expect(
    tables.rows().map(({ day, openingMinor, closingMinor, version, sealedAt, cause }) => ({
      day,
      openingMinor,
      closingMinor,
      version,
      sealed: sealedAt !== null,
      cause,
    })),
  ).toEqual([
    {
      day: '2026-11-01',
      openingMinor: 0n,
      closingMinor: 93n,
      version: 2,
      sealed: false,
      cause: 'ledger/0/4',
    },
    {
      day: '2026-11-02',
      openingMinor: 93n,
      closingMinor: 103n,
      version: 2,
      sealed: true,
      cause: 'ledger/0/2',
    },
    {
      day: '2026-11-03',
      openingMinor: 103n,
      closingMinor: 104n,
      version: 2,
      sealed: true,
      cause: 'ledger/0/3',
    },
  ]);
});

describe('D5: of an account whose figures would leave their columns nothing is counted', () => {
  const MOST = 2n ** 63n - 1n;
  const DAY = '2026-11-01';
  const [posting] = postingsFrom(
    [{ minutes: 0, amount: 10, backBy: null }],
    Date.parse(`${DAY}T12:00:00Z`),
  ) as [Posting];
  const { account } = new Tables('UTC');

  function dayWith(figures: Partial<Day>): Day {
    const row = { openingMinor: 0n, creditsMinor: 0n, debitsMinor: 0n, closingMinor: 0n, ...figures };
    return { ...row, day: DAY, version: 1, count: 1n, hash: '', cause: '', asOf: 0, sealedAt: null };
  }

  function isCounted(amountMinor: bigint, day: Day, closings?: Closings): boolean {
    const lastDay = closings === undefined ? DAY : '2026-11-02';
    const linedUp = lineUp({ ...account, lastDay }, [{ ...posting, amountMinor }]);
    const found = {
      days: new Map([[dayText({ key: 1n, day: DAY }), day]]),
      closings: new Map(closings === undefined ? [] : [[1n, closings]]),
    };
    const { full, standings, changed, shifts } = countPostings([linedUp], found, NOW);
    if (full.length > 0) expect([standings, changed, shifts]).toEqual([[], [], []]);
    return full.length === 0 && standings.length === 1;
  }

  test.each<[string, bigint, Partial<Day>]>([
    ['credits', 10n, { creditsMinor: MOST - 10n, debitsMinor: MOST - 10n }],
    ['debits', -10n, { creditsMinor: MOST - 10n, debitsMinor: MOST - 10n }],
    ['the closing', 10n, { openingMinor: MOST - 10n }],
    ['the closing below zero', -10n, { openingMinor: 10n - MOST }],
  ])('%s', (_, amountMinor, figures) => {
    const further = amountMinor > 0n ? amountMinor + 1n : amountMinor - 1n;
    expect(isCounted(amountMinor, dayWith(figures))).toBe(true);
    expect(isCounted(further, dayWith(figures))).toBe(false);
  });

  test.each<[string, bigint, Closings]>([
    ['above', 10n, { leastMinor: 0n, greatestMinor: MOST - 10n }],
    ['below', -10n, { leastMinor: 10n - MOST, greatestMinor: 0n }],
  ])('a day behind a late posting, %s', (_, amountMinor, closings) => {
    const further = amountMinor > 0n ? amountMinor + 1n : amountMinor - 1n;
    expect(isCounted(amountMinor, dayWith({}), closings)).toBe(true);
    expect(isCounted(further, dayWith({}), closings)).toBe(false);
  });
});

test('nothing is counted of an account before it is told of, and nothing is lost', () => {
  const postings = postingsFrom(
    [{ minutes: 0, amount: 5, backBy: null }],
    Date.parse('2026-11-01T12:00:00Z'),
  );
  const { account } = new Tables('UTC');
  const early = lineUp({ ...account, facts: undefined }, postings);
  expect([early.next, early.early]).toEqual([[], postings]);
  expect(lineUp({ ...account, waiting: postings }, []).next).toEqual(postings);
});
