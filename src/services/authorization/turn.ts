import type { EpochMs } from '#kernel/clock.ts';
import { type EventDraft, eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type { Books } from '#services/ledger/contract.ts';
import type { Sagas } from './sagas.ts';

/** What the events of a batch are answered with, one after the other. */
export interface Turn {
  readonly sagas: Sagas;
  readonly books: Books;
  readonly now: EpochMs;
  /** Identities of events that the log has the answer to: of those whose answer leaves no other trace. */
  readonly answered: ReadonlySet<string>;
}

export function isRefund({ subject }: LogEvent): boolean {
  return subject.startsWith('ref_');
}

/** Answers one type of event. */
export type Step = (event: LogEvent, turn: Turn) => EventDraft | undefined;

/** What was answered before has an event that says so, whatever the saga has become since (G3, payment-steps.ts). */
export function once(step: Step): Step {
  return (event, turn) => (turn.answered.has(eventIdentity(event)) ? undefined : step(event, turn));
}
