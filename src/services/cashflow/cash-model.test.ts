/** F5: the deciders against a plain model: a number for each account, and the rules said once more in few words. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { createFaultFinder } from '#platform/http/validation.ts';
import { accountRef, Books } from '#services/ledger/contract.ts';
import type { CashEntry } from './cash-entry.ts';
import type { CashEntryTerms } from './cash-orders.ts';
import { beginImport, type Import } from './import.ts';
import { readLines } from './import-lines.ts';
import { type CashBooks, type Recorded, recordCashEntry } from './record-cash-entry.ts';
import { recordLines } from './record-lines.ts';
import { reverseCashEntry } from './reverse-cash-entry.ts';
import { CashEntryBody } from './schemas.ts';

const TENANT = 'acme';
const NOW = Date.parse('2026-11-20T12:00:00Z');
const ACCOUNTS = ['till', 'safe', 'bank'];
const COLUMNS = ['account_id', 'direction', 'amount', 'occurred_on', 'description', 'category'];
const findFaults = createFaultFinder(CashEntryBody);

const terms: fc.Arbitrary<CashEntryTerms> = fc.record({
  account_id: fc.constantFrom(...ACCOUNTS, 'nobody'),
  direction: fc.constantFrom('debit', 'credit'),
  amount: fc.integer({ min: 1, max: 1000 }),
  occurred_on: fc.constantFrom('2026-11-19', '2026-11-20', '2026-11-21'),
  description: fc.constantFrom('beans', 'rent'),
  category: fc.constantFrom(null, 'Food', 'food'),
});

type Step =
  | { readonly do: 'record'; readonly terms: CashEntryTerms }
  | { readonly do: 'reverse'; readonly which: number }
  | {
      readonly do: 'import';
      readonly file: number;
      /** Whoever records it dies behind so many lines. */
      readonly upTo: number;
    };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('record' as const), terms }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reverse' as const), which: fc.nat(30) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('import' as const), file: fc.nat(2), upTo: fc.nat(8) }),
  },
);

class World {
  readonly on: CashBooks;
  readonly entries: CashEntry[] = [];
  readonly reversed = new Map<string, string>();
  readonly #files: readonly (readonly CashEntryTerms[])[];
  #made = 0;

  constructor(files: readonly (readonly CashEntryTerms[])[]) {
    this.#files = files;
    const books = new Books({ balances: [], holds: [], entryIds: [] });
    ACCOUNTS.forEach((id, index) => {
      const key = BigInt(index + 1);
      books.openAccount(
        { key, tenant: TENANT, id, kind: 'cashbook', currency: 'BRL', floorMinor: null },
        NOW,
      );
    });
    const timeZones = new Map(ACCOUNTS.map((id) => [accountRef({ tenant: TENANT, id }), 'UTC']));
    this.on = { books, timeZones, keys: [11n, 12n, 13n, 14n], unwritten: new Map() };
  }

  take(step: Step): void {
    if (step.do === 'record')
      this.#keep(
        recordCashEntry(
          this.on,
          { tenant: TENANT, uuid: this.#uuid(), terms: step.terms, source: null },
          NOW,
        ),
      );
    else if (step.do === 'reverse') this.#reverse(step.which);
    else this.#import(step);
  }

  #reverse(which: number): void {
    const original = this.entries[which];
    if (original === undefined) return;
    const uuid = this.#uuid();
    const reading = { ...original, reversedBy: this.reversed.get(original.uuid) ?? null };
    const back = reverseCashEntry(this.on, reading, { uuid, reason: null, occurredOn: null }, NOW);
    if (back.ok) this.reversed.set(original.uuid, uuid);
    this.#keep(back);
  }

  #import({ file, upTo }: { readonly file: number; readonly upTo: number }): void {
    const lines = (this.#files[file] ?? [])
      .slice(0, upTo)
      .map((each) => COLUMNS.map((name) => valueOf(each, name)));
    const content = Buffer.from(lines.map((values) => values.join(',')).join('\n'));
    const known = new Set(this.entries.map(({ uuid }) => uuid));
    const read = readLines({ firstLine: 2, content }, { columns: COLUMNS, accountId: null }, findFaults);
    const { recorded } = recordLines({ ...this.on, known }, importOf(file), read, NOW);
    this.entries.push(...recorded.map(({ cashEntry }) => cashEntry));
  }

  #keep(decided: { ok: true; value: Recorded } | { ok: false }): void {
    if (decided.ok) this.entries.push(decided.value.cashEntry);
  }

  #uuid(): string {
    this.#made += 1;
    return derivedUuid('test', String(this.#made));
  }
}

function valueOf(of: CashEntryTerms, name: string): string {
  return String(Object.entries(of).find(([member]) => member === name)?.[1] ?? '');
}

function importOf(file: number): Import {
  const order = {
    operation: 'cash_entries.import',
    digest: String(file),
    bytes: 1,
    lines: 1,
    columns: COLUMNS,
    account_id: null,
    on_error: 'keep',
  } as const;
  const upload = derivedUuid('upload', String(file));
  const begun = beginImport(
    undefined,
    { tenant: TENANT, upload, order, requestId: 'req', correlationId: 'cor' },
    NOW,
  );
  if (begun === undefined) throw new Error('nothing was begun');
  return begun.begun;
}

function isSound({ account_id, occurred_on }: CashEntryTerms): boolean {
  return account_id !== 'nobody' && occurred_on <= '2026-11-20';
}

test('U3: in any order, with files sent again and broken off anywhere, books are what was recorded, once each', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(terms, { maxLength: 8 }), { minLength: 3, maxLength: 3 }),
      fc.array(steps, { maxLength: 40 }),
      (files, taken) => {
        const world = new World(files);
        for (const step of taken) world.take(step);
        // Once more, all of them: whoever was broken off is finished, and nothing else changes.
        for (const file of [0, 1, 2]) world.take({ do: 'import', file, upTo: 8 });
        const model = new Map<string, number>();
        for (const { accountId, contraAccountId, direction, amountMinor } of world.entries) {
          const signed = Number(amountMinor) * (direction === 'credit' ? 1 : -1);
          model.set(accountId, (model.get(accountId) ?? 0) + signed);
          model.set(contraAccountId, (model.get(contraAccountId) ?? 0) - signed);
        }
        for (const [id, posted] of model)
          expect(Number(world.on.books.find(TENANT, id)?.postedMinor)).toBe(posted);
        const byHand = taken.filter((step) => step.do === 'record' && isSound(step.terms)).length;
        const byFile = files.flat().filter(isSound).length;
        expect(world.entries).toHaveLength(byHand + byFile + world.reversed.size);
        expect(world.on.books.changes().entries).toHaveLength(world.entries.length);
        expect(new Set(world.entries.map(({ uuid }) => uuid)).size).toBe(world.entries.length);
      },
    ),
    { numRuns: 300 },
  );
});
