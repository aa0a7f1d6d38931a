/**
 * Stages that follow each other, decided in one commit where one process works on all of them. The worker around it
 * (passage-worker.ts) brings the positions of every stage's group, the appends and the commit.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { EventDraft, LogEvent } from '../log/event.ts';
import type { Transaction } from '../postgres/session.ts';

/** A stage's group and a topic that it reads, as its own consumer does, which goes on where a passage stops. */
export interface Link {
  /** Whether the passage begins here: it reads the topic, and others append to it. To the other topics it appends itself. */
  readonly isEntry: boolean;
  readonly group: string;
  readonly topic: string;
  /** Event types that the group acts on, with the newest version it reads; others are passed over. */
  readonly handles: ReadonlyMap<string, number>;
}

/**
 * Enters an event into a topic of the passage, in the partition of the one that caused it, and says where it will stand:
 * what follows from it names it by that.
 */
export type Recorder = (cause: LogEvent, topic: string, draft: EventDraft) => LogEvent;

export interface Passage<Loaded, Plan> {
  readonly name: string;
  /** At least one is an entry. */
  readonly links: readonly Link[];
  /** Whether an event of a type that a stage handles is about what the passage is about: others append to its topics too. */
  concerns(event: LogEvent): boolean;
  readonly paceMs: number;
  /** Locks and loads, all sent before any is awaited (R2). */
  load(tx: Transaction, events: readonly LogEvent[]): Promise<Loaded>;
  /** Synchronous, and pure but for what it records. Seeing an event again must record nothing for it (U3). */
  decide(loaded: Loaded, events: readonly LogEvent[], now: EpochMs, record: Recorder): Plan;
  /** Sends the writes, awaits none. */
  save(tx: Transaction, plan: Plan, now: EpochMs): void;
}
