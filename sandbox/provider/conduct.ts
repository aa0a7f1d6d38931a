/** How one request is served: as usual, or as a behaviour has it. */
import type { Story } from './book.ts';
import type { Reason } from './documents.ts';

export type Operation = 'charge' | 'refund' | 'inquiry' | 'void';

/** What the caller gets. `silence` never answers; only `document` tells the outcome. */
export type Answer = 'document' | 'error' | 'throttle' | 'gateway_timeout' | 'garbage' | 'silence';

/** What becomes of a new charge or refund. */
export interface Outcome {
  /** Why it is declined or fails; null: it is approved or succeeds. */
  readonly reason: Reason | null;
  /** How long it is pending; null: it is decided at once; `usual`: a charge at once, a refund shortly. */
  readonly pendingMs: number | null | 'usual';
  readonly story: Story;
}

export interface Conduct {
  /** Whether what was asked for is done at all. */
  readonly isDone: boolean;
  readonly answer: Answer;
  /** Before the answer, beside the provider's own latency. */
  readonly delayMs: number;
  readonly retryAfterS: number;
  readonly outcome: Outcome;
  /** When callbacks tell of what was decided at once; null: the answer has told it. */
  readonly callbackMs: number | null;
  /** Whether the answer waits for that callback's. */
  readonly isAnswerAfterCallback: boolean;
}

export const USUAL_OUTCOME: Outcome = { reason: null, pendingMs: 'usual', story: 'plain' };

export const USUAL: Conduct = {
  isDone: true,
  answer: 'document',
  delayMs: 0,
  retryAfterS: 1,
  outcome: USUAL_OUTCOME,
  callbackMs: null,
  isAnswerAfterCallback: false,
};
