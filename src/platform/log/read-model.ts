/**
 * A read model: a table that holds nothing but what events say, so that it can be made anew from them at any time
 * (U15, DESIGN §4). A service offers its own through its contract; who drives it is `src/proof/rebuild.ts`.
 *
 * M1: a range is made anew while the group that writes the table is kept out by its fence, in a transaction that is
 *     not of one snapshot: each statement sees everything committed before it.
 * M2: it is made of every event there is, also those that the group has not passed. They will be delivered to it as if
 *     again, and that changes nothing (U3).
 */
import type { LogEvent } from './event.ts';

/** A transaction whose statements are planned by their values: ranges and batches of any size. */
export interface ModelTransaction {
  query<Row>(text: string, values: readonly unknown[]): Promise<Row[]>;
}

export interface ReadModel {
  /** As the operator names it. */
  readonly name: string;
  /** The consumer group that writes the table. */
  readonly group: string;
  /** The topics whose events it is made of. */
  readonly topics: readonly string[];
  /** Makes the rows about the subjects of a range what their events say. */
  correct(tx: ModelTransaction, range: SubjectsInRange): Promise<Correction>;
}

/** Subjects after the first bound up to and including the second (null is no bound), and all that the logs tell of them. */
export interface SubjectsInRange {
  readonly after: string | null;
  readonly upTo: string | null;
  readonly timelines: readonly Timeline[];
}

export interface Timeline {
  readonly subject: string;
  /** In the order of the model's topics; within one in the order of the log. At least one. */
  readonly events: readonly LogEvent[];
  /** Whether the group has passed at least one of them. */
  readonly begun: boolean;
}

/** How many rows were inserted or changed, and how many deleted. */
export interface Correction {
  readonly written: number;
  readonly removed: number;
}
