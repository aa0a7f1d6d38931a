/** What decisions about attempts see beside what is reported. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Attempt } from './attempt.ts';
import type { Attempts } from './attempts.ts';
import type { Routing } from './routing.ts';

export interface DecisionContext {
  readonly now: EpochMs;
  readonly random: () => number;
  readonly routing: Routing;
  /** How long a charge, and a refund, may take until a person is asked, in ms. */
  readonly deadlines: { readonly chargeMs: number; readonly refundMs: number };
}

/** An attempt among those of its subject. */
export interface Case {
  readonly attempts: Attempts;
  readonly attempt: Attempt;
  readonly context: DecisionContext;
}
