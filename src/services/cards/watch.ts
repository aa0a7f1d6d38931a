/**
 * What has to be done although nobody asks: holds that are due are given back, and approvals of a process that is gone,
 * which it may not have answered, are marked. Every process looks after all; whoever comes second finds it done.
 */
import type { Clock } from '#kernel/clock.ts';
import { invariant } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import { type AppendedSegment, prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { saveSteps } from './card-commands.ts';
import { lockFree } from './free-card-transactions.ts';
import { release, type Step } from './give-back.ts';
import { stepEvent } from './render-events.ts';
import { findCardTransactions, STANDS_UNCONFIRMED } from './store.ts';

/** A hold lasts days, and a dead process is noticed by its callers first. */
const LOOK_MS = 2000;
/** Holds given back in one go. */
const DUE_MAX = 500;

/** The oldest that are due, of every tenant. No lock; by the index on due_at. */
export const FIND_DUE_HOLDS = statement(
  'cards.find_due_holds',
  `select h.tenant, h.id, h.correlation_id from cards.open_holds h where h.due_at <= $1::timestamptz order by h.due_at limit $2`,
);

/**
 * Rows of deciders that name approvals and were not written for ten seconds: a process that lives writes its row again within
 * 50 ms of the answers. Locks those rows, skipping one that is being written. There is a row per process: a scan.
 * Of the approvals, those that no repeat has confirmed and nothing has given back are marked; by their primary key.
 */
export const BURY_DECIDERS = statement(
  'cards.bury_deciders',
  `with gone as materialized (
     select d.process, d.tenants, d.pending from cards.deciders d
     where d.seen_at < clock_timestamp() - interval '10 s' and d.pending <> '{}'
     for update skip locked
   ), buried as (
     update cards.deciders d set tenants = '{}', pending = '{}' from gone where d.process = gone.process
   )
   insert into cards.unconfirmed (tenant, id, since)
   select t.tenant, t.id, clock_timestamp()
   from (select unnest(gone.tenants) as tenant, unnest(gone.pending) as id from gone) as left_behind
   cross join lateral (
     select * from cards.card_transactions t where t.tenant = left_behind.tenant and t.id = left_behind.id offset 0
   ) t
   where ${STANDS_UNCONFIRMED}
   on conflict (tenant, id) do nothing`,
);

/** A day later nobody asks for the rows of processes that have ended. A row per process: a scan. */
export const FORGET_DECIDERS = statement(
  'cards.forget_deciders',
  `delete from cards.deciders d where d.seen_at < clock_timestamp() - interval '1 day' and d.pending = '{}'`,
);

export interface CardWatchOptions {
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export class CardWatch {
  readonly #options: CardWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: CardWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#looking = this.#looking.then(() => this.look()).catch(this.#options.onError);
    }, LOOK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Once. */
  async look(): Promise<void> {
    const { session } = this.#options;
    await session.query(BURY_DECIDERS, []);
    await session.query(FORGET_DECIDERS, []);
    await this.#expireHolds();
  }

  async #expireHolds(): Promise<void> {
    const { session, log, clock } = this.#options;
    const due = await session.query<DueHold>(FIND_DUE_HOLDS, [new Date(clock.now()), DUE_MAX]);
    if (due.length === 0) return;
    const segments = await session.transaction((tx) => this.#release(tx, due));
    if (segments !== undefined) log.publish(segments);
  }

  /** Locks what nobody else has, then reads what of the holds is still there (R2); the next look finds the others. */
  async #release(tx: Transaction, due: readonly DueHold[]): Promise<AppendedSegment[] | undefined> {
    const { ledger, log, clock } = this.#options;
    const keys = due.map(({ tenant, id }) => ({ tenant, uuid: id }));
    const correlations = new Map(due.map(({ id, correlation_id }) => [id, correlation_id]));
    const known = await findCardTransactions(tx, keys);
    const { books, free } = await lockFree(tx, ledger, known);
    const held = [...free.values()]
      .map(({ cardTransaction }) => cardTransaction)
      .filter(({ state }) => state === 'held');
    const now = clock.now();
    const steps = held.map((before) => release(books, before, 'expired'));
    ledger.saveBooks(tx, books, now);
    saveSteps(tx, steps);
    const drafts = steps.map((step) => this.#expired(step, correlations.get(step.after.uuid)));
    const append = { topic: 'cards', partitions: log.partitions, occurredAt: now, drafts };
    return drafts.length === 0 ? undefined : sendAppend(tx, prepareAppend(append));
  }

  /** Nobody asked but who placed the hold. */
  #expired(step: Step, correlationId: string | undefined): EventDraft {
    const { uuid } = step.after;
    invariant(correlationId !== undefined, `the hold of ${uuid} is not due`);
    return stepEvent(step, uuid, { correlationId, causation: idOf('ctx', uuid), traceparent: null });
  }
}

interface DueHold {
  tenant: string;
  id: string;
  correlation_id: string;
}
