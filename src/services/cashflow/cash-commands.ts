/**
 * The cash flow's requests as a batch: entries recorded and reversed, imports begun.
 *
 * Order of locks (R3): imports by file; the balances; then idempotency keys and own rows, then the heads of two logs, this
 * one's and the ledger's. That an entry was reversed is read behind the lock of its account (R2), under which alone it
 * comes to be.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever, invariant } from '#kernel/fault.ts';
import { type CashEntryId, type Id, type IdPrefix, isId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command, CommandHandler, Verdict } from '#platform/batch/command.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { type CashEntry, type CashEntryReading, cashEntryRef, renderCashEntry } from './cash-entry.ts';
import type { CashOrder, ImportOrder, RecordOrder, ReverseOrder } from './cash-orders.ts';
import { beginImport, fileOf, type Import, renderImport } from './import.ts';
import { lockImportsOf, saveBegun } from './import-store.ts';
import { openCashBooks } from './open-cash-books.ts';
import { type CashBooks, type Recorded, recordCashEntry } from './record-cash-entry.ts';
import { cashEntryEvent, ledgerEvents } from './render-events.ts';
import { cashEntryNotFound, reverseCashEntry } from './reverse-cash-entry.ts';
import { type CashEntryKey, findCashEntries, insertCashEntries, withReversals } from './store.ts';

export interface CashBatch extends CashBooks {
  /** Of those to be reversed, by `cashEntryRef`. */
  readonly originals: Map<string, CashEntryReading>;
  /** By file. */
  readonly imports: Map<string, Import>;
}

type Begun = NonNullable<ReturnType<typeof beginImport>>;
type Effect =
  | { readonly kind: 'recorded'; readonly recorded: Recorded }
  | { readonly kind: 'begun'; readonly begun: Begun };

type CashVerdict = Verdict<Effect>;
type Ordered<Order extends CashOrder> = Command<Order>;

export class CashCommands implements CommandHandler<CashOrder, CashBatch, Effect> {
  readonly #ledger: Ledger;
  readonly #renderProblem: (problem: Problem) => Answer;

  constructor(options: { ledger: Ledger; renderProblem: (problem: Problem) => Answer }) {
    this.#ledger = options.ledger;
    this.#renderProblem = options.renderProblem;
  }

  async load(tx: Transaction, commands: readonly Command<CashOrder>[]): Promise<CashBatch> {
    const [originals, imports] = await Promise.all([
      // Without locks: whose accounts are to be locked does not change.
      findCashEntries(tx, commands.flatMap(reversedBy)),
      lockImportsOf(tx, commands.flatMap(filesOf)),
    ]);
    const books = await openCashBooks(tx, this.#ledger, {
      entries: commands.flatMap(recordedIn),
      accounts: originals.map(accountsOf),
    });
    return { ...books, originals: await withReversals(tx, originals), imports };
  }

  decide(batch: CashBatch, command: Command<CashOrder>, now: EpochMs): CashVerdict {
    const { body } = command;
    switch (body.operation) {
      case 'cash_entries.create':
        return this.#record(batch, { ...command, body }, now);
      case 'cash_entries.reverse':
        return this.#reverse(batch, { ...command, body }, now);
      case 'cash_entries.import':
        return importing(batch, { ...command, body }, now);
      default:
        return assertNever(body);
    }
  }

  save(tx: Transaction, effects: readonly Effect[], { books }: CashBatch, now: EpochMs): void {
    saveRecorded(tx, this.#ledger, {
      books,
      recorded: effects.flatMap((effect) => (effect.kind === 'recorded' ? effect.recorded : [])),
      now,
    });
    for (const effect of effects) if (effect.kind === 'begun') saveBegun(tx, effect.begun, now);
  }

  #record(batch: CashBatch, command: Ordered<RecordOrder>, now: EpochMs): CashVerdict {
    const { tenant, id, body } = command;
    const request = { tenant, uuid: uuidOf(id as CashEntryId), terms: body, source: null };
    const recorded = recordCashEntry(batch, request, now);
    return recorded.ok ? told(recorded.value, command) : this.#refusal(recorded.problem);
  }

  #reverse(batch: CashBatch, command: Ordered<ReverseOrder>, now: EpochMs): CashVerdict {
    const { id, body } = command;
    const key = originalOf(command);
    const original = key === undefined ? undefined : batch.originals.get(cashEntryRef(key));
    if (original === undefined) return this.#refusal(cashEntryNotFound(body.cash_entry_id));
    const uuid = uuidOf(id as CashEntryId);
    const request = { uuid, reason: body.reason ?? null, occurredOn: body.occurred_on ?? null };
    const reversed = reverseCashEntry(batch, original, request, now);
    if (!reversed.ok) return this.#refusal(reversed.problem);
    batch.originals.set(cashEntryRef(original), { ...original, reversedBy: uuid });
    return told(reversed.value, command);
  }

  #refusal(refusal: Problem): CashVerdict {
    return { answer: this.#renderProblem(refusal), effect: undefined, drafts: [] };
  }
}

function told(recorded: Recorded, { correlationId, requestId, traceparent }: Command): CashVerdict {
  const origin = { correlationId, causation: requestId, traceparent };
  const document = renderCashEntry({ ...recorded.cashEntry, reversedBy: null });
  return {
    answer: { status: 201, body: JSON.stringify(document) },
    effect: { kind: 'recorded', recorded },
    drafts: [cashEntryEvent(recorded, origin)],
    elsewhere: ledgerEvents(recorded, origin),
  };
}

/** The import of the file, as it is: begun by this, or before. */
function importing(batch: CashBatch, command: Ordered<ImportOrder>, now: EpochMs): CashVerdict {
  const { tenant, id, body: order, requestId, correlationId } = command;
  const file = fileOf(tenant, order);
  const upload = uuidOf(id as Id<IdPrefix>);
  const known = batch.imports.get(file);
  const begun = beginImport(known, { tenant, upload, order, requestId, correlationId }, now);
  const present = begun?.begun ?? known;
  invariant(present !== undefined, `the file ${file} has no import and begins none`);
  batch.imports.set(file, present);
  return {
    answer: { status: 202, body: JSON.stringify(renderImport(present)) },
    effect: begun === undefined ? undefined : { kind: 'begun', begun },
    drafts: [],
  };
}

/** Accounts that are new, what the books changed, and the entries. */
export function saveRecorded(
  tx: Transaction,
  ledger: Ledger,
  { books, recorded, now }: { books: CashBooks['books']; recorded: readonly Recorded[]; now: EpochMs },
): void {
  ledger.insertAccounts(
    tx,
    recorded.flatMap(({ opened }) => opened ?? []),
  );
  ledger.saveBooks(tx, books, now);
  insertCashEntries(
    tx,
    recorded.map(({ cashEntry }) => cashEntry),
  );
}

function recordedIn({ tenant, body }: Command<CashOrder>) {
  if (body.operation !== 'cash_entries.create') return [];
  return { account: { tenant, id: body.account_id }, category: body.category ?? null };
}

function reversedBy({ tenant, body }: Command<CashOrder>): CashEntryKey[] {
  if (body.operation !== 'cash_entries.reverse') return [];
  const key = originalOf({ tenant, body });
  return key === undefined ? [] : [key];
}

/** Undefined if what stands in the address is no id of a cash entry. */
function originalOf({
  tenant,
  body,
}: Pick<Ordered<ReverseOrder>, 'tenant' | 'body'>): CashEntryKey | undefined {
  const { cash_entry_id: id } = body;
  return isId('cen', id) ? { tenant, uuid: uuidOf(id) } : undefined;
}

function filesOf({ tenant, body }: Command<CashOrder>): string[] {
  return body.operation === 'cash_entries.import' ? [fileOf(tenant, body)] : [];
}

function accountsOf({ tenant, accountId, contraAccountId }: CashEntry) {
  return { book: { tenant, id: accountId }, contra: { tenant, id: contraAccountId } };
}
