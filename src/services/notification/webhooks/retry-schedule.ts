/** When a delivery is tried again, and when it is given up. Pure; randomness is an input. */
import type { EpochMs } from '#kernel/clock.ts';
import type { EgressOutcome } from '#platform/egress/outcome.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Between attempts (Standard Webhooks, STANDARDS §7): the wait after the first failure, the second … After the last it is exhausted. */
export const RETRY_DELAYS_MS: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
/** Added to a wait, of it: so that what failed together does not come back together. */
const JITTER = 0.1;
/** What a receiver may ask for. */
export const RETRY_AFTER_MAX_MS = DAY;
/** Of an endpoint at which nothing succeeds: then it is disabled. */
export const DISABLE_AFTER_MS = 5 * DAY;

export interface AttemptEnded {
  readonly outcome: EgressOutcome;
  /** Failures of the delivery before this attempt. */
  readonly failures: number;
  /** Since when nothing has succeeded at the endpoint. */
  readonly failingSince: EpochMs | null;
  /** Not where an answer is owed to whoever named the URL: nobody could enable it again. */
  readonly canBeDisabled: boolean;
  readonly now: EpochMs;
  /** In [0, 1). */
  readonly random: number;
}

export type NextStep =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'exhausted' }
  /** `counts`: whether it was the receiver's failure. */
  | { readonly kind: 'retry'; readonly at: EpochMs; readonly counts: boolean };

export interface Decided {
  readonly step: NextStep;
  /** Why the endpoint is disabled by this, if it is. */
  readonly disables: 'gone' | 'failing' | undefined;
}

export function decideAfterAttempt(ended: AttemptEnded): Decided {
  const { outcome, failures, failingSince, canBeDisabled, now, random } = ended;
  if (outcome.kind === 'delivered') return { step: { kind: 'delivered' }, disables: undefined };
  if (outcome.kind === 'not_called')
    return { step: { kind: 'retry', at: now + outcome.retryAfterMs, counts: false }, disables: undefined };
  // The endpoint says that it is no more; what waits for it waits until somebody enables it again.
  if (outcome.answer?.status === 410)
    return canBeDisabled
      ? { step: { kind: 'retry', at: now, counts: true }, disables: 'gone' }
      : { step: { kind: 'exhausted' }, disables: undefined };
  const isLong = canBeDisabled && failingSince !== null && now - failingSince >= DISABLE_AFTER_MS;
  const disables = isLong ? 'failing' : undefined;
  const delay = RETRY_DELAYS_MS[failures];
  if (delay === undefined) return { step: { kind: 'exhausted' }, disables };
  const asked = outcome.kind === 'transient' ? Math.min(outcome.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS) : 0;
  const at = now + Math.max(asked, Math.ceil(delay * (1 + JITTER * random)));
  return { step: { kind: 'retry', at, counts: true }, disables };
}
