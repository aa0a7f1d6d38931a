/** One request from its arrival to its answer: who asks, how it is told, and what the batches have found of it so far. */
import { type CardAuthorization, isAnswerSent, refOfCard } from './answer-way.ts';
import { claimRef } from './authorize-card-transaction.ts';
import type { CardTransaction } from './card-transaction.ts';

export interface Authorized {
  readonly cardTransaction: CardTransaction;
  readonly repeated: boolean;
  /** The answer is sent, to where it was asked for (K10); nobody is to be told it here. */
  readonly isSent: boolean;
}

export interface WaitingRequest {
  readonly asked: CardAuthorization;
  readonly resolve: (authorized: Authorized) => void;
  /** Neither `00` nor `07` would be true: what was approved too late could not be given back. */
  readonly reject: (error: unknown) => void;
  /** C3: it was left out of a batch at least once. */
  wasLocked: boolean;
  /** C6: a batch looked for what it may repeat. If the look failed because the database is gone, nobody is made to wait for it. */
  wasLookedFor: boolean;
  /** C7: it repeats what is not certain yet. It is told when it is, however late. */
  isContested: boolean;
  /** Its card had its answers sent when a batch last read it: a batch that reads it again says whether it is late. */
  isUnhurried: boolean;
}

export function cardOf({ asked }: WaitingRequest): string | undefined {
  return refOfCard(asked);
}

export function isPatient({ asked, isUnhurried }: WaitingRequest): boolean {
  return isAnswerSent(asked) || isUnhurried;
}

/** By what others have locked, or what is not certain yet: not by the load. */
export function isHeldUp({ wasLocked, isContested }: WaitingRequest): boolean {
  return wasLocked || isContested;
}

/** No deadline ends it. */
function isEndless(waiting: WaitingRequest): boolean {
  return waiting.isContested || isPatient(waiting);
}

/**
 * What no deadline ends. Of what is contested nobody will know any more what became of what it repeats: neither code would be
 * certainly true. Of what would be sent nothing is owed.
 */
export function giveUpEndless(batch: readonly WaitingRequest[], error: unknown): readonly WaitingRequest[] {
  for (const waiting of batch) if (isEndless(waiting)) waiting.reject(error);
  return batch.filter((waiting) => !isEndless(waiting));
}

/** Whether it must not be dropped for being late: it may be a repeat (C6), or of a card that has its answers sent (K10). */
export function isToBeLookedFor({ asked, isContested, wasLookedFor }: WaitingRequest): boolean {
  return isContested || ((claimRef(asked) !== undefined || asked.reading.isSentAsCardSays) && !wasLookedFor);
}

/** As the caller is told it. A repeat is told at once. */
export function authorizedOf(
  asked: CardAuthorization,
  cardTransaction: CardTransaction,
  { repeated = false } = {},
): Authorized {
  return { cardTransaction, repeated, isSent: !repeated && isAnswerSent(asked) };
}
