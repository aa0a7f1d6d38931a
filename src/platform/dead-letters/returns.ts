/**
 * What was given up because its destination was away is replayed by itself when something is delivered there again. What is
 * delivered tells, and not a breaker's state: that is forgotten with its process, and another process may see the return.
 *
 * T1: a dead letter is ordered about so once: in the commit of the order it ceases to wait.
 * T2: only what was given up before the return, and not too long before: somebody may have dealt with it otherwise.
 *     What has waited too long waits for a person, and is shown so.
 * T3: a page at a time while the destination stays: what has just come back is not thrown over again by what it missed.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import { repeatWhile } from '../batch/repeat.ts';
import { Signal } from '../batch/signal.ts';
import { textArray, uuidArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '../postgres/session.ts';
import { insertOrders, type NewOrder } from './command-store.ts';
import { type DeadLetter, UNORDERED_COLUMNS } from './dead-letter.ts';

/** Of one destination, in one turn. */
const PAGE = 100;
/** Between two turns. */
const EVERY_MS = 1000;
/** Between two looks at who is waited for. */
const LOOK_EVERY_MS = 5000;
/** T2 */
const WITHIN_MS = 3 * 24 * 3_600_000;
/** Destinations that are waited for, of all services. */
const DESTINATIONS_MAX = 10_000;
/** Of these, whose oldest are looked through in one turn: twenty pages are some milliseconds. */
const GIVEN_UP_AT_ONCE_MAX = 20;
const REASON = 'Its destination answers again.';

/** One step of the partial index for each (a loose scan), however much waits for it; and since when its oldest does. */
export const FIND_WAITED_FOR = statement(
  'log.find_waited_for',
  `with recursive w(name, since) as (
     (select d.waits_for, d.failed_last_at from log.dead_letters d
      where d.state = 'open' and d.waits_for > '' order by d.waits_for, d.id limit 1)
     union all
     select n.waits_for, n.failed_last_at from w cross join lateral (
       select d.waits_for, d.failed_last_at from log.dead_letters d
       where d.state = 'open' and d.waits_for > w.name order by d.waits_for, d.id limit 1
     ) n
   )
   select name, since from w limit ${DESTINATIONS_MAX}`,
);

/**
 * T2. The oldest of each, by the same index, a page and no more: they are in the order in which they were given up. What is in
 * use is left out.
 */
export const WAIT_NO_LONGER = statement(
  'log.wait_no_longer',
  `update log.dead_letters d set waits_for = null
   from ${batchRows('wanted', { name: 'text' })}
   cross join lateral (
     select t.ctid, t.failed_last_at from log.dead_letters t where t.waits_for = wanted.name and t.state = 'open'
     order by t.waits_for, t.id limit ${PAGE} for no key update skip locked
   ) as found(at, failed_last_at)
   where d.ctid = found.at and found.failed_last_at <= $2::timestamptz`,
);

/** T2. By the same index, the oldest first, and what another process orders about just now is left to it. */
export const LOCK_WAITING = statement(
  'log.lock_waiting_dead_letters',
  `select ${UNORDERED_COLUMNS}
   from log.dead_letters d
   where d.waits_for = $1 and d.state = 'open' and d.failed_last_at > $2::timestamptz and d.failed_last_at < $3::timestamptz
     and not exists (select from log.pending_redeliveries p where p.dead_letter = d.id offset 0)
   order by d.waits_for, d.id limit ${PAGE} for no key update of d skip locked`,
);

/** T1. They are locked; by primary key. */
export const CEASE_TO_WAIT = statement(
  'log.cease_to_wait',
  `update log.dead_letters d set waits_for = null
   from ${batchRows('locked', { id: 'uuid' })}
   cross join lateral (select t.ctid from log.dead_letters t where t.id = locked.id offset 0) as found(at)
   where d.ctid = found.at`,
);

export interface ReturnsOptions {
  readonly session: Session;
  readonly clock: Clock;
  /** There are orders to execute. */
  readonly onOrdered: () => void;
  readonly onError: (error: unknown) => void;
}

interface WaitedFor {
  name: string;
  since: EpochMs;
}

export class Returns {
  readonly #options: ReturnsOptions;
  readonly #signal = new Signal();
  #waitedFor: ReadonlySet<string> = new Set();
  /** When each was seen again. */
  readonly #back = new Map<string, EpochMs>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: ReturnsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= repeatWhile(
      () => !this.#stopping,
      () => this.#turn(),
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
  }

  /** What became of a request to a destination. Asked at each, so it costs next to nothing where nothing waits. */
  note(destination: string, isDelivered: boolean): void {
    if (!this.#waitedFor.has(destination)) return;
    if (isDelivered) this.#back.set(destination, this.#options.clock.now());
    else this.#back.delete(destination); // T3
  }

  async #turn(): Promise<void> {
    try {
      await this.#look();
      for (const [destination, at] of this.#back) await this.#order(destination, at);
    } catch (error) {
      this.#options.onError(error);
    }
    if (!this.#stopping) await this.#signal.wait(EVERY_MS);
  }

  async #look(): Promise<void> {
    if (performance.now() - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = performance.now();
    const rows = await this.#options.session.query<WaitedFor>(FIND_WAITED_FOR, []);
    this.#waitedFor = new Set(rows.map(({ name }) => name));
    await this.#giveUp(rows);
  }

  /** Looks again at once while there is more of it. */
  async #giveUp(waitedFor: readonly WaitedFor[]): Promise<void> {
    const { session, clock } = this.#options;
    const until = clock.now() - WITHIN_MS;
    const tooLong = waitedFor.filter(({ since }) => since <= until).slice(0, GIVEN_UP_AT_ONCE_MAX);
    if (tooLong.length === 0) return;
    await session.query(WAIT_NO_LONGER, [textArray(tooLong.map(({ name }) => name)), new Date(until)]);
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  async #order(destination: string, at: EpochMs): Promise<void> {
    const { session, clock, onOrdered } = this.#options;
    const now = clock.now();
    const ordered = await session.transaction((tx) => orderPage(tx, { destination, at, now }));
    // Unless it was seen again meanwhile: what was given up in between is ordered about in the next turn.
    if (ordered < PAGE && this.#back.get(destination) === at) this.#back.delete(destination);
    if (ordered > 0) onOrdered();
  }
}

async function orderPage(
  tx: Transaction,
  { destination, at, now }: { destination: string; at: EpochMs; now: EpochMs },
): Promise<number> {
  const since = new Date(now - WITHIN_MS);
  const letters = await tx.query<DeadLetter>(LOCK_WAITING, [destination, since, new Date(at)]);
  if (letters.length === 0) return 0;
  tx.run(CEASE_TO_WAIT, [uuidArray(letters.map(({ id }) => id))]);
  insertOrders(tx, letters.map(orderAbout), now);
  return letters.length;
}

/** In the name of the group that gave it up, as all that the program does. */
function orderAbout(letter: DeadLetter): NewOrder {
  return {
    id: uuidOf(newId('rdl')),
    action: 'replay',
    letter,
    replay: null,
    editedData: null,
    originalData: null,
    reason: REASON,
    actor: letter.consumer_group,
  };
}
