/**
 * The ledger's requests as a batch: accounts opened and closed, entries posted. One worker handles all three, so that
 * an entry finds the account that was opened just before it.
 *
 * Order of locks (R3): the balances first, then the idempotency keys, because a key is stored with its answer and the
 * answer depends on the balances; then new accounts by (tenant, id), then the log's heads. Every process takes them in
 * this one order, and nobody else writes this service's keys or new accounts, so there is no cycle. Of two that open
 * the same account, or use the same key, the second waits for the first, meets its row, and decides anew.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever, invariant } from '#kernel/fault.ts';
import { type Id, idOf, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command, CommandHandler, Verdict } from '#platform/batch/command.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { type AccountProfile, type NewAccount, readingOf, renderAccount } from './account.ts';
import { accountRef, type Books } from './books.ts';
import type { AccountRef } from './contract.ts';
import type { AccountClosed } from './events.ts';
import { entryReadingOf, renderEntry } from './journal-entry.ts';
import { openAccount } from './open-account.ts';
import type { CloseAccountOrder, LedgerOrder, OpenAccountOrder, PostEntryOrder } from './orders.ts';
import { postEntry } from './post-entry.ts';
import { renderAccountOpened, renderEntryPosted } from './render-events.ts';
import type { LedgerStore } from './store.ts';

/** What the orders of a batch touch. */
export interface LedgerBatch {
  readonly books: Books;
  /** Of the accounts to be closed or opened, by `accountRef`. */
  readonly profiles: Map<string, AccountProfile>;
  /** Reserved for the accounts that the batch may open. */
  readonly keys: bigint[];
}

type LedgerVerdict = Verdict<NewAccount>;

export class LedgerCommands implements CommandHandler<LedgerOrder, LedgerBatch, NewAccount> {
  readonly #store: LedgerStore;
  readonly #renderProblem: (problem: Problem) => Answer;

  constructor(options: { store: LedgerStore; renderProblem: (problem: Problem) => Answer }) {
    this.#store = options.store;
    this.#renderProblem = options.renderProblem;
  }

  async load(tx: Transaction, commands: readonly Command<LedgerOrder>[]): Promise<LedgerBatch> {
    const closing = commands.filter(isClosing).flatMap(accountsOf);
    const [books, profiles, keys] = await Promise.all([
      this.#store.openBooks(tx, { accounts: commands.flatMap(accountsOf), closing }),
      this.#store.findProfiles(tx, closing),
      this.#store.reserveKeys(tx, commands.filter(isOpening).length),
    ]);
    return { books, profiles, keys };
  }

  decide(batch: LedgerBatch, command: Command<LedgerOrder>, now: EpochMs): LedgerVerdict {
    const { body } = command;
    switch (body.operation) {
      case 'accounts.create':
        return this.#openAccount(batch, { ...command, body }, now);
      case 'accounts.close':
        return this.#closeAccount(batch, { ...command, body }, now);
      case 'journal_entries.create':
        return this.#postEntry(batch, { ...command, body }, now);
      default:
        return assertNever(body);
    }
  }

  save(tx: Transaction, created: readonly NewAccount[], { books }: LedgerBatch, now: EpochMs): void {
    this.#store.insertAccounts(tx, created);
    this.#store.saveBooks(tx, books, now);
  }

  #openAccount(batch: LedgerBatch, command: Command<OpenAccountOrder>, now: EpochMs): LedgerVerdict {
    const { tenant, id, body } = command;
    const key = batch.keys.pop();
    invariant(key !== undefined, 'a batch has a key for each account that it may open');
    const opened = openAccount(batch.books, { tenant, id, key, order: body }, now);
    if (!opened.ok) return this.#refusal(opened.problem);
    const { created, balance } = opened.value;
    batch.profiles.set(accountRef(created.account), created.profile);
    return {
      answer: { status: 201, body: JSON.stringify(renderAccount(readingOf(balance, created.profile, now))) },
      effect: created,
      drafts: [draftOf(command, { type: 'account.opened', subject: id, data: renderAccountOpened(created) })],
    };
  }

  #closeAccount(batch: LedgerBatch, command: Command<CloseAccountOrder>, now: EpochMs): LedgerVerdict {
    const { tenant, body } = command;
    const id = body.account_id;
    const closed = batch.books.closeAccount(tenant, id);
    if (!closed.ok) return this.#refusal(closed.problem);
    const profile = batch.profiles.get(accountRef({ tenant, id }));
    invariant(profile !== undefined, `account ${id} was loaded without its profile`);
    const data: AccountClosed = { account_id: id };
    return {
      answer: { status: 200, body: JSON.stringify(renderAccount(readingOf(closed.value, profile, now))) },
      effect: undefined,
      drafts: [draftOf(command, { type: 'account.closed', subject: id, data })],
    };
  }

  #postEntry(batch: LedgerBatch, command: Command<PostEntryOrder>, now: EpochMs): LedgerVerdict {
    const { tenant, body } = command;
    const posted = postEntry(
      batch.books,
      { tenant, uuid: uuidOf(command.id as Id<'jen'>), order: body },
      now,
    );
    if (!posted.ok) return this.#refusal(posted.problem);
    const subject = idOf('jen', posted.value.id);
    return {
      answer: { status: 201, body: JSON.stringify(renderEntry(entryReadingOf(posted.value))) },
      effect: undefined,
      drafts: [
        draftOf(command, { type: 'entry.posted', subject, data: renderEntryPosted(posted.value, subject) }),
      ],
    };
  }

  #refusal(problem: Problem): LedgerVerdict {
    return { answer: this.#renderProblem(problem), effect: undefined, drafts: [] };
  }
}

function isOpening({ body }: Command<LedgerOrder>): boolean {
  return body.operation === 'accounts.create';
}

function isClosing({ body }: Command<LedgerOrder>): boolean {
  return body.operation === 'accounts.close';
}

/** Also of an account to be opened: whether it exists is decided under its lock. */
function accountsOf({ tenant, id, body }: Command<LedgerOrder>): AccountRef[] {
  switch (body.operation) {
    case 'accounts.create':
      return [{ tenant, id }];
    case 'accounts.close':
      return [{ tenant, id: body.account_id }];
    case 'journal_entries.create':
      return body.postings.map(({ account_id }) => ({ tenant, id: account_id }));
    default:
      return assertNever(body);
  }
}

/** Keyed by its subject: an account's events are in order, and a manual entry has no order but its accounts' sequences. */
function draftOf(
  command: Command,
  event: { readonly type: string; readonly subject: string; readonly data: JsonObject },
): EventDraft {
  const { tenant, correlationId, requestId, traceparent } = command;
  return {
    ...event,
    version: 1,
    tenant,
    key: event.subject,
    correlationId,
    causation: requestId,
    traceparent,
  };
}
