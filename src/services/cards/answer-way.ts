/**
 * How who asks is told (K10): on the connection, by a deadline; or the answer is sent to a URL, and nobody waits. Where neither
 * the route nor the request says which, the card does. What it says holds for the batch that read it, behind the card's lock:
 * it is derived in every batch and kept by none; pure.
 */
import type { Asked } from './authorize-card-transaction.ts';
import { type Card, cardRef } from './card.ts';
import type { Origin } from './render-events.ts';

/** K5. Later the network has given up. */
export const DEADLINE_MS = 100;
/** For the commit and the way back: what cannot be decided before that is late. */
const RESERVE_MS = 20;
/** Of a deadline shorter than five times the reserve, the reserve is this part. */
const RESERVE_PART = 5;

export interface CardAuthorization extends Asked, Origin {
  /** On the clock of `performance`. */
  readonly arrivedAt: number;
  /** Of who waits. */
  readonly deadlineMs: number;
  /** Whether nobody is on the connection any more: also who has his answer sent is told there of what he repeats. */
  readonly isGone: () => boolean;
}

export function refOfCard({ tenant, reading }: Asked): string | undefined {
  const { account } = reading.received;
  return account === null ? undefined : cardRef({ tenant, account });
}

export function asCardSays(asked: CardAuthorization, cards: ReadonlyMap<string, Card>): CardAuthorization {
  const { reading } = asked;
  if (!reading.isSentAsCardSays) return asked;
  const callbackUrl = cards.get(refOfCard(asked) ?? '')?.callbackUrl ?? null;
  return callbackUrl === null ? asked : { ...asked, reading: { ...reading, callbackUrl } };
}

/** Who has his answer sent does not wait: it is not too late, whenever it comes. */
export function isAnswerSent({ reading }: Asked): boolean {
  return reading.callbackUrl !== null;
}

/** Whether it can no longer be decided in time. */
export function isLate(asked: CardAuthorization, at: number): boolean {
  const { arrivedAt, deadlineMs } = asked;
  return (
    !isAnswerSent(asked) && at - arrivedAt > deadlineMs - Math.min(RESERVE_MS, deadlineMs / RESERVE_PART)
  );
}

/** How much of their time who waits has waited by then: 1 is all of it. A deadline of the caller's own counts where it is longer. */
export function partWaited({ arrivedAt, deadlineMs }: CardAuthorization, at: number): number {
  return (at - arrivedAt) / Math.max(deadlineMs, DEADLINE_MS);
}

/** Whether a decision can no longer be told. */
export function isTooLateToTell(asked: CardAuthorization, at: number): boolean {
  return !isAnswerSent(asked) && (asked.isGone() || at - asked.arrivedAt > asked.deadlineMs);
}
