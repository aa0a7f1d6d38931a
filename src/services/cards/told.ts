/** What a deciding batch tells each request, what it takes along, and what is written of both; pure. */
import type { EpochMs } from '#kernel/clock.ts';
import type { AppendedSegment } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { type CardAuthorization, isLate } from './answer-way.ts';
import type { Moment, Outcome } from './authorize-card-transaction.ts';
import type { CardTransaction } from './card-transaction.ts';
import { decisionEvents, type Origin } from './render-events.ts';
import type { WaitingRequest } from './waiting-request.ts';

/** Records of what was not decided that a batch takes along, of its size: they must not crowd decisions out. */
const NOTES_PART = 0.25;
/** Also with a small batch. */
const NOTES_MIN = 8;

export interface Told {
  readonly waiting: WaitingRequest;
  /** As its card says in this batch how it is answered. */
  readonly asked: CardAuthorization;
  readonly outcome: Outcome;
}

/** What is decided, or was before. */
export interface Certain extends Told {
  readonly outcome: Extract<Outcome, { readonly cardTransaction: CardTransaction }>;
}

export interface Note {
  readonly cardTransaction: CardTransaction;
  readonly origin: Origin;
}

/** What a batch has sent, before its commit. */
export interface Sent {
  readonly told: readonly Told[];
  readonly notes: readonly Note[];
  readonly abandoned: readonly CardTransaction[];
  readonly confirmed: ReadonlySet<string>;
  /** How many approvals the row of this process names now; undefined if it was not written. */
  readonly pending: number | undefined;
  readonly segments: Promise<AppendedSegment[]> | undefined;
}

export function notesFor(requests: number, batchMax: number): number {
  return requests === 0 ? batchMax : Math.max(NOTES_MIN, Math.floor(requests * NOTES_PART));
}

/** Whether nothing could be decided, and a settlement account is one reason. What is a repeat, or too late, needs none. */
export function isWaitingForSettlement(told: readonly Told[]): boolean {
  const isIdle = told.every(({ outcome }) => outcome.kind !== 'decided');
  return isIdle && told.some(({ outcome }) => outcome.kind === 'locked' && outcome.what === 'settlement');
}

export function momentOf(
  asked: CardAuthorization,
  { now, at }: { readonly now: EpochMs; readonly at: number },
): Moment {
  return { now, latencyMs: Math.max(0, Math.round(at - asked.arrivedAt)), isLate: isLate(asked, at) };
}

export function originOf({ correlationId, causation, traceparent, reading }: CardAuthorization): Origin {
  return { correlationId, causation, traceparent, callbackUrl: reading.callbackUrl };
}

export function approvedOf(told: readonly Told[], kind: 'decided' | 'repeated'): CardTransaction[] {
  return told.flatMap(({ outcome }) =>
    outcome.kind === kind && outcome.cardTransaction.code === '00' ? outcome.cardTransaction : [],
  );
}

export function isThere({ asked }: Told): boolean {
  return !asked.isGone();
}

export function holdOf({ asked, outcome }: Told) {
  if (outcome.kind !== 'decided' || outcome.cardTransaction.state !== 'held') return [];
  return [{ ...outcome.cardTransaction, correlationId: asked.correlationId }];
}

export function draftsOf({ asked, outcome }: Told): EventDraft[] {
  if (outcome.kind !== 'decided') return [];
  return decisionEvents(outcome.cardTransaction, outcome.entry, originOf(asked));
}

/** What was not decided stands where it is recorded. */
export function recordedAt({ cardTransaction, origin }: Note, now: EpochMs): Note {
  return { cardTransaction: { ...cardTransaction, decidedAt: now }, origin };
}

export function noteDrafts({ cardTransaction, origin }: Note): EventDraft[] {
  return decisionEvents(cardTransaction, undefined, origin);
}
