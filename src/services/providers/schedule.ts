/** When what is tried again, in ms. Jitter spreads what failed together; `random()` is in [0, 1). */
import type { EpochMs } from '#kernel/clock.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import type { Attempt } from './attempt.ts';

/** How long after its row was committed a charge may be sent; afterwards its sender must not. Longer than any queue that is worth waiting in. */
export const SEND_WITHIN_MS = 3000;
/** After the last instant at which an answer can come, until somebody else takes the attempt over. */
const TAKE_OVER_GRACE_MS = 1000;
/** By how much the clocks of two processes may differ where something follows from the clock alone. */
export const CLOCK_SKEW_MS = 2000;

/** Before a charge that we held back ourselves is looked at again: its partition may just be changing hands. */
export const HELD_BACK_MS = 200;

/** Attempts to charge one payment, over all providers and rounds; with their waits they take less than a minute. */
export const CHARGES_MAX = 6;
/** Tries to reach the last provider of a round before the next round begins. */
export const UNSENT_TRIES_MAX = 4;
/**
 * How long a provider that stopped answering is waited for. When all of a route are away for so long, its charges are given
 * up, each after having waited for as long.
 */
export const AWAITED_WITHIN_MS = 10_000;
/** Within what time a provider that is called again is asked about all that is in doubt there. */
export const ASKED_AGAIN_WITHIN_MS = 2000;
/** Repetitions of a charge, under its key, that the provider failed at. */
export const ERROR_RETRIES_MAX = 2;
/** Waits that a provider may ask for before it is taken for too busy. */
export const THROTTLES_MAX = 3;
/** The longest wait that a provider may ask for; who wants more is too busy. */
export const THROTTLE_WAIT_MAX_MS = 5000;
/** Attempts to give a charge back, if the provider gives them up. */
export const COMPENSATIONS_MAX = 5;
/** Nobody else gives an unexpected charge back, so it is tried for a week. */
export const UNEXPECTED_REFUNDS_MAX = 200;
/** Answers without a last word that are taken of a provider about what has ended. */
export const RECHECKS_MAX = 10;

const ASKING_S = [1, 2, 4, 8, 15, 30] as const;
/** From so many questions on, the pauses grow no more. Fewer than RECHECKS_MAX: who answers then is asked again. */
export const SLOWEST_ASKING = ASKING_S.length - 1;
const UNSENT = { firstMs: 250, maxMs: 4000 };
const ERRORS = { firstMs: 200, maxMs: 2000 };
const ROUNDS = { firstMs: 500, maxMs: 8000 };
const REFUND_TRIES = { firstMs: 500, maxMs: 30_000 };
const NEW_REFUNDS = { firstMs: 1000, maxMs: 30_000 };
const UNEXPECTED_REFUNDS = { firstMs: 1000, maxMs: 3_600_000 };

/** Until the next question about what is not known, after so many: 1, 2, 4, 8, 15 s, then every 30 s at most. */
export function askingDelayMs(asked: number, random: () => number): number {
  const seconds = ASKING_S[Math.min(asked, ASKING_S.length - 1)] ?? 30;
  return Math.ceil(seconds * 1000 * (0.5 + random() / 2));
}

export function unsentDelayMs(tries: number, random: () => number): number {
  return backoffMs(tries, random, UNSENT);
}

export function errorDelayMs(tries: number, random: () => number): number {
  return backoffMs(tries, random, ERRORS);
}

/** Before the round that the attempt of this number begins. */
export function roundDelayMs(number: number, random: () => number): number {
  return backoffMs(number - 1, random, ROUNDS);
}

/** Before a refund is asked for again under the same key. */
export function refundDelayMs(tries: number, random: () => number): number {
  return backoffMs(tries, random, REFUND_TRIES);
}

/** Before a refund is asked for under a new key, the provider having given up the last one. */
export function newRefundDelayMs({ purpose, number }: Attempt, random: () => number): number {
  return backoffMs(number, random, purpose === 'unexpected' ? UNEXPECTED_REFUNDS : NEW_REFUNDS);
}

/** A wait that a provider asks for, and up to a fifth more, so that not all come back at once. */
export function throttleDelayMs(retryAfterMs: number, random: () => number): number {
  return Math.ceil(Math.min(retryAfterMs, THROTTLE_WAIT_MAX_MS) * (1 + random() / 5));
}

/** Until when a sender may begin, and when another process may take over what it has not reported. */
export function sendingWindow(now: EpochMs, timeoutMs: number): { sendBefore: EpochMs; dueAt: EpochMs } {
  const sendBefore = now + SEND_WITHIN_MS;
  return { sendBefore, dueAt: sendBefore + timeoutMs + TAKE_OVER_GRACE_MS };
}

/** Not beyond the deadline that has still to be told of: telling is then what is due. */
export function dueBy(attempt: Attempt, at: EpochMs, now: EpochMs): EpochMs {
  return attempt.toldUnresolved ? at : Math.max(now, Math.min(at, attempt.deadlineAt));
}
