/**
 * What a service does with events: the four steps of a batch (DESIGN §2). The worker around it (consumer-worker.ts)
 * brings the fence, the positions, the append and the commit.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { ParkingKeyOf } from '../dead-letters/parked-keys.ts';
import type { EventDraft, LogEvent } from '../log/event.ts';
import type { Transaction } from '../postgres/session.ts';

export interface Consumer<Loaded, Plan extends ConsumerPlan> {
  readonly group: string;
  /** Read in this order; a group has one position per topic and partition. */
  readonly topics: readonly string[];
  /** The topic its events go to. */
  readonly emits: string | null;
  /** Event types it acts on, each with the newest version it reads; others are passed over. */
  readonly handles: ReadonlyMap<string, number>;
  /**
   * Of the events it handles, which concern it; default all. For a group that most events pass by: while none concerns
   * it, its positions move but once a second, since committing each batch for that alone would cost everybody.
   */
  readonly concerns?: (event: LogEvent) => boolean;
  /**
   * What a failed event holds up for this consumer, beside itself: later events of the same key wait behind it. Default its
   * subject, within its tenant. Of one key all are in one partition.
   */
  readonly parkingKeyOf?: ParkingKeyOf;
  /** Least time between the starts of two batches under load (pace.ts), in ms; a stage that nobody waits for can take longer. */
  readonly paceMs: number;
  /** Most new events in one batch, if not the installation's LASTRO_BATCH_MAX. */
  readonly batchMax?: number;
  /**
   * What a decision needs and no transaction may wait for: work of another thread. Before the transaction begins; what it
   * finds is kept by the consumer for `decide`. It is called again for events that it has seen.
   */
  prepare?(events: readonly LogEvent[], reading: BatchReading): Promise<void>;
  /** Locks and loads, all sent before any is awaited (R2: what depends on a lock is read by a later statement). */
  load(tx: Transaction, events: readonly LogEvent[]): Promise<Loaded>;
  /** Pure and synchronous. Seeing an event again must decide nothing for it (U3). `handing`: default from the log, in turn. */
  decide(loaded: Loaded, events: readonly LogEvent[], now: EpochMs, handing?: Handing): Plan;
  /** Sends the writes, awaits none. */
  save(tx: Transaction, plan: Plan): void;
  /** After the commit: wake who waits for the effect in this process. */
  committed?(plan: Plan): void;
}

/** How the events of a batch were come by. */
export interface BatchReading {
  /** One event was read and no other, acted on or not: a failure is its own (W6), so what is retained must not fail beside it. */
  readonly isAlone: boolean;
  /** It has all that it had room for: there may be more to read. */
  readonly isFull?: boolean;
  /** The first of the events, which the consumer has retained. Nothing where it may retain none (dead-letters/handler.ts). */
  readonly retained?: readonly LogEvent[];
}

/** How events come to a consumer. */
export interface Handing {
  /** By an order, the group having passed them: what had followed from them then may be gone, and may have had effects outside. */
  readonly isAgain: boolean;
}

export interface ConsumerPlan {
  readonly drafts: readonly EventDraft[];
  /**
   * Events of the batch to be seen again with the next one. The group's positions stay before them, so a crash brings
   * them back; they are held in memory meanwhile.
   */
  readonly retained?: readonly LogEvent[];
  /** What is retained waits for nothing but its turn: the next batch begins at once, with anything new or not. */
  readonly goesOnAtOnce?: boolean;
}
