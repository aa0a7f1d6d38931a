/**
 * What has to be done although nobody asks: holds that are due are given back, and approvals of a process that is gone,
 * which it may not have answered, are marked. Every process looks after all; whoever comes second finds it done.
 */
import type { Clock } from '#kernel/clock.ts';
import { invariant } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import { type AppendedSegment } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { saveSteps } from './card-commands.ts';
import { STANDS_UNCONFIRMED } from './confirmation-store.ts';
import { lockFree } from './free-card-transactions.ts';
import { release, type Step } from './give-back.ts';
import { stepEvent } from './render-events.ts';
import { deleteOpenHolds, findCardTransactions } from './store.ts';

/** A hold lasts days, and a dead process is noticed by its callers first. */
const LOOK_MS = 2000;
/** Before another try of a hold that cannot be given back, which is for a person: meanwhile it stands before no other. */
const POSTPONED_MS = 3_600_000;
/** Holds given back in one go. */
const DUE_MAX = 500;

/** The oldest that are due, of every tenant. No lock; by the index on due_at. */
export const FIND_DUE_HOLDS = statement(
  'cards.find_due_holds',
  `select h.tenant, h.id, h.correlation_id from cards.open_holds h where h.due_at <= $1::timestamptz order by h.due_at limit $2`,
);

/** No lock beyond the row's. By primary key. */
export const POSTPONE_HOLD = statement(
  'cards.postpone_hold',
  `update cards.open_holds h set due_at = $3::timestamptz where h.tenant = $1 and h.id = $2`,
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
  /** While it looks. */
  #looking: Promise<void> | undefined;

  constructor(options: CardWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#lookUnlessLooking(), LOOK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** A database that is slow is not asked more and more. */
  #lookUnlessLooking(): void {
    this.#looking ??= this.look()
      .catch(this.#options.onError)
      .finally(() => (this.#looking = undefined));
  }

  /** Once. */
  async look(): Promise<void> {
    const { session } = this.#options;
    await session.query(BURY_DECIDERS, []);
    await session.query(FORGET_DECIDERS, []);
    await this.#expireHolds();
  }

  async #expireHolds(): Promise<void> {
    const { session, clock } = this.#options;
    const due = await session.query<DueHold>(FIND_DUE_HOLDS, [new Date(clock.now()), DUE_MAX]);
    if (due.length > 0) await this.#expire(due);
  }

  /** One that cannot be given back keeps none of the others: they are halved until it stands alone. */
  async #expire(due: readonly DueHold[]): Promise<void> {
    const { session, log } = this.#options;
    try {
      const segments = await session.transaction((tx) => this.#release(tx, due));
      if (segments !== undefined) log.publish(segments);
    } catch (error) {
      if (isTransient(error)) throw error;
      await this.#isolate(due, error);
    }
  }

  async #isolate(due: readonly DueHold[], error: unknown): Promise<void> {
    const [only] = due;
    if (due.length === 1 && only !== undefined) {
      this.#options.onError(error);
      await this.#postpone(only);
      return;
    }
    const middle = Math.ceil(due.length / 2);
    await this.#expire(due.slice(0, middle));
    await this.#expire(due.slice(middle));
  }

  async #postpone({ tenant, id }: DueHold): Promise<void> {
    const { session, clock } = this.#options;
    await session.query(POSTPONE_HOLD, [tenant, id, new Date(clock.now() + POSTPONED_MS)]);
  }

  /** Locks what nobody else has, then reads what of the holds is still there (R2); the next look finds the others. */
  async #release(tx: Transaction, due: readonly DueHold[]): Promise<AppendedSegment[] | undefined> {
    const { ledger, log, clock } = this.#options;
    const keys = due.map(({ tenant, id }) => ({ tenant, uuid: id }));
    const correlations = new Map(due.map(({ id, correlation_id }) => [id, correlation_id]));
    const known = await findCardTransactions(tx, keys);
    const { books, free } = await lockFree(tx, ledger, known);
    const locked = [...free.values()].map(({ cardTransaction }) => cardTransaction);
    const held = locked.filter(({ state }) => state === 'held');
    const now = clock.now();
    const steps = held.map((before) => release(books, before, 'expired'));
    ledger.saveBooks(tx, books, now);
    saveSteps(tx, steps);
    // What has ended otherwise waits for nothing any more.
    deleteOpenHolds(
      tx,
      locked.filter(({ state }) => state !== 'held'),
    );
    const drafts = steps.map((step) => this.#expired(step, correlations.get(step.after.uuid)));
    return sendDrafts(tx, { topic: 'cards', partitions: log.partitions, occurredAt: now, drafts });
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
