/** What the deciding batches are made of: who waits, what each is told, and what is written of it; pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import type { AppendedSegment } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import type { Asked, Moment, Outcome } from './authorize-card-transaction.ts';
import { type Card, cardRef } from './card.ts';
import type { CardTransaction } from './card-transaction.ts';
import { decisionEvents, type Origin } from './render-events.ts';

/** Records of what was not decided that a batch takes along, of its size: they must not crowd decisions out. */
const NOTES_PART = 0.25;
/** Also on a machine that seems to stand still. */
const BATCH_MIN = 8;
/** For the commit and the way back: what cannot be decided before that is late. */
const RESERVE_MS = 20;
/** Of a deadline shorter than five times the reserve, the reserve is this part. */
const RESERVE_PART = 5;

export interface CardAuthorization extends Asked, Origin {
  /** On the clock of `performance`. */
  readonly arrivedAt: number;
  readonly deadlineMs: number;
  /** Whether nobody waits for the answer any more. */
  readonly isGone: () => boolean;
}

export interface Authorized {
  readonly cardTransaction: CardTransaction;
  readonly repeated: boolean;
  /** The answer is sent, to where it was asked for (K10); nobody is to be told it here. */
  readonly isSent: boolean;
}

export interface Waiting {
  /** Changes once, when its card says that the answer is sent. */
  asked: CardAuthorization;
  readonly resolve: (authorized: Authorized) => void;
  /** Neither `00` nor `07` would be true: what was approved too late could not be given back. */
  readonly reject: (error: unknown) => void;
}

export interface Told {
  readonly waiting: Waiting;
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
  return requests === 0 ? batchMax : Math.max(BATCH_MIN, Math.floor(requests * NOTES_PART));
}

/** Whether nothing could be decided, and a settlement account is one reason. */
export function isWaitingForSettlement(told: readonly Told[]): boolean {
  const locked = told.flatMap(({ outcome }) => (outcome.kind === 'locked' ? outcome.what : []));
  return locked.length === told.length && locked.includes('settlement');
}

export function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseFault && error.state === '55P03';
}

export function cardOf({ asked: { tenant, reading } }: Waiting): string | undefined {
  const { account } = reading.received;
  return account === null ? undefined : cardRef({ tenant, account });
}

/** Who has his answer sent does not wait: it is not too late, whenever it comes. */
export const NOBODY_WAITS = { deadlineMs: Number.POSITIVE_INFINITY, isGone: () => false } as const;

/** Also if its card was found to have its answers sent when it was late already. */
export function hasNoDeadline({ asked }: Waiting): boolean {
  return asked.deadlineMs === NOBODY_WAITS.deadlineMs;
}

/** K10: where neither the route nor the request says how the answer is given, the card does. */
export function sendAsCardSays(waiting: Waiting, cards: ReadonlyMap<string, Card>): void {
  const { asked } = waiting;
  if (!asked.reading.isSentAsCardSays) return;
  const callbackUrl = cards.get(cardOf(waiting) ?? '')?.callbackUrl ?? null;
  if (callbackUrl === null) return;
  waiting.asked = {
    ...asked,
    ...NOBODY_WAITS,
    reading: { ...asked.reading, callbackUrl, isSentAsCardSays: false },
  };
}

/** As the caller is told it. A repeat is told at once. */
export function authorizedOf(
  { asked }: Waiting,
  cardTransaction: CardTransaction,
  { repeated = false } = {},
): Authorized {
  return { cardTransaction, repeated, isSent: !repeated && asked.reading.callbackUrl !== null };
}

export function isLate({ arrivedAt, deadlineMs }: CardAuthorization, at: number): boolean {
  return at - arrivedAt > deadlineMs - Math.min(RESERVE_MS, deadlineMs / RESERVE_PART);
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

export function isThere({ waiting: { asked } }: Told): boolean {
  return !asked.isGone();
}

export function holdOf({ waiting: { asked }, outcome }: Told) {
  if (outcome.kind !== 'decided' || outcome.cardTransaction.state !== 'held') return [];
  return [{ ...outcome.cardTransaction, correlationId: asked.correlationId }];
}

export function draftsOf({ waiting, outcome }: Told): EventDraft[] {
  if (outcome.kind !== 'decided') return [];
  return decisionEvents(outcome.cardTransaction, outcome.entry, originOf(waiting.asked));
}

/** What was not decided stands where it is recorded. */
export function recordedAt({ cardTransaction, origin }: Note, now: EpochMs): Note {
  return { cardTransaction: { ...cardTransaction, decidedAt: now }, origin };
}

export function noteDrafts({ cardTransaction, origin }: Note): EventDraft[] {
  return decisionEvents(cardTransaction, undefined, origin);
}

/**
 * Whether the server has said that it undid the transaction: an error of a statement, or ROLLBACK as the answer to COMMIT.
 * A connection that is lost, or a server that goes down (class 57P), says nothing about a COMMIT that was sent.
 */
export function isRolledBack(error: unknown): boolean {
  if (error instanceof DatabaseFault)
    return error.state !== undefined && !error.state.startsWith('57P') && !error.state.startsWith('08');
  return error instanceof Fault;
}
