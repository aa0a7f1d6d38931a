/** Every misbehaviour by name: where it applies, what it is told with, and how a request is then served. */

import type { Story } from './book.ts';
import { type Conduct, type Operation, type Outcome, USUAL, USUAL_OUTCOME } from './conduct.ts';

export interface BehaviourSettings {
  readonly delayMs: number;
  readonly retryAfterS: number;
  readonly code: string;
}

export interface BehaviourKind {
  /** For `--help`, the documents and errors. */
  readonly summary: string;
  readonly operations: readonly Operation[];
  /** Whether it decides what becomes of a new charge or refund: a repeated request is then none of its business. */
  readonly isOutcome: boolean;
  readonly delayMs: number;
  readonly code: string;
  readonly conduct: (settings: BehaviourSettings) => Conduct;
}

const EVERYWHERE: readonly Operation[] = ['charge', 'refund', 'inquiry', 'void'];
const PAYING: readonly Operation[] = ['charge', 'refund'];
const CHARGES: readonly Operation[] = ['charge'];
const REFUNDS: readonly Operation[] = ['refund'];

const DECLINE_CODE = 'insufficient_funds';
const FAILURE_CODE = 'account_closed';
const LONG_MS = 30_000;
const PENDING_MS = 1000;

export const BEHAVIOURS = {
  decline: outcome(CHARGES, 'declined; code defaults to insufficient_funds', {}, (settings) => ({
    ...USUAL,
    delayMs: settings.delayMs,
    outcome: { ...USUAL_OUTCOME, pendingMs: null, reason: reasonOf(settings) },
  })),
  error_before: transport(EVERYWHERE, 'answers 500, nothing done', {}, undone('error')),
  error_after: transport(EVERYWHERE, 'answers 500, done', {}, hidden('error')),
  throttle: transport(
    EVERYWHERE,
    'answers 429 with Retry-After: retry_after_s (1), nothing done',
    {},
    undone('throttle'),
  ),
  timeout_charged: transport(
    EVERYWHERE,
    'done, answers after delay_ms (30 s)',
    { delayMs: LONG_MS },
    ({ delayMs }) => ({
      ...USUAL,
      delayMs,
      callbackMs: delayMs, // with the answer: whoever gave up before has to ask
    }),
  ),
  timeout_not_charged: transport(
    EVERYWHERE,
    'answers 504 after delay_ms (30 s), nothing done',
    { delayMs: LONG_MS },
    undone('gateway_timeout'),
  ),
  hang: transport(EVERYWHERE, 'never answers, nothing done', {}, undone('silence')),
  hang_charged: transport(EVERYWHERE, 'never answers, done', {}, hidden('silence')),
  garbage: transport(EVERYWHERE, 'answers 200 with a body that is no JSON, done', {}, hidden('garbage')),
  garbage_not_charged: transport(
    EVERYWHERE,
    'answers 200 with a body that is no JSON, nothing done',
    {},
    undone('garbage'),
  ),
  pending: pending(PAYING, 'pending; approved with a callback after delay_ms (1 s)', {}),
  pending_decline: outcome(
    PAYING,
    'pending; declined with a callback after delay_ms (1 s)',
    { delayMs: PENDING_MS },
    (settings) => withOutcome({ reason: reasonOf(settings), pendingMs: settings.delayMs }),
  ),
  callback_late: pending(PAYING, 'pending; approved and called back after delay_ms (10 s)', {
    delayMs: 10_000,
  }),
  callback_twice: pending(PAYING, 'pending; called back twice with one webhook-id and once with another', {
    story: 'twice',
  }),
  callback_out_of_order: pending(PAYING, 'pending; after the final callback a stale one says pending', {
    story: 'out_of_order',
  }),
  callback_before_answer: outcome(
    CHARGES,
    'approves, calls back, and answers when the callback was answered (or after 2 s)',
    {},
    () => ({ ...USUAL, callbackMs: 0, isAnswerAfterCallback: true }),
  ),
  callback_contradicts: outcome(
    CHARGES,
    'approves, and after delay_ms (200 ms) a callback says declined',
    { delayMs: 200 },
    ({ delayMs }) => ({ ...withOutcome({ story: 'contradicts', pendingMs: null }), callbackMs: delayMs }),
  ),
  callback_bad_signature: pending(
    PAYING,
    'pending; a callback with a wrong signature, and 1 s later the right one',
    {
      story: 'bad_signature',
    },
  ),
  callback_stale: pending(PAYING, 'pending; a callback signed an hour ago, and 1 s later the right one', {
    story: 'stale',
  }),
  refund_fails: outcome(
    REFUNDS,
    'pending; failed by a callback after delay_ms (1 s)',
    { delayMs: PENDING_MS, code: FAILURE_CODE },
    (settings) => withOutcome({ reason: reasonOf(settings), pendingMs: settings.delayMs }),
  ),
  refund_succeeds: outcome(REFUNDS, 'answers 201 succeeded, without a callback', {}, () =>
    withOutcome({ pendingMs: null }),
  ),
  slow: transport(EVERYWHERE, 'done, answers after delay_ms (100 ms)', { delayMs: 100 }, ({ delayMs }) => ({
    ...USUAL,
    delayMs,
  })),
} as const satisfies Readonly<Record<string, BehaviourKind>>;

/** Of a request. `refuse_connections` is of the socket: see listener.ts. */
export type RequestBehaviour = keyof typeof BEHAVIOURS;

export const REFUSE_CONNECTIONS = 'refuse_connections';
export const REFUSE_SUMMARY =
  'the listening socket is closed for for_ms (2 s), open connections are cut; at once';
export const BEHAVIOUR_NAMES: readonly string[] = [...Object.keys(BEHAVIOURS), REFUSE_CONNECTIONS];

interface Defaults {
  readonly delayMs?: number;
  readonly code?: string;
}

function transport(
  operations: readonly Operation[],
  summary: string,
  defaults: Defaults,
  conduct: BehaviourKind['conduct'],
): BehaviourKind {
  return { delayMs: 0, code: DECLINE_CODE, ...defaults, operations, summary, conduct, isOutcome: false };
}

function outcome(
  operations: readonly Operation[],
  summary: string,
  defaults: Defaults,
  conduct: BehaviourKind['conduct'],
): BehaviourKind {
  return { ...transport(operations, summary, defaults, conduct), isOutcome: true };
}

function pending(
  operations: readonly Operation[],
  summary: string,
  { story = 'plain', delayMs = PENDING_MS }: { readonly story?: Story; readonly delayMs?: number },
): BehaviourKind {
  return outcome(operations, summary, { delayMs }, (settings) =>
    withOutcome({ story, pendingMs: settings.delayMs }),
  );
}

function withOutcome(change: Partial<Outcome>): Conduct {
  return { ...USUAL, outcome: { ...USUAL_OUTCOME, ...change } };
}

function undone(answer: Conduct['answer']): BehaviourKind['conduct'] {
  return ({ delayMs, retryAfterS }) => ({ ...USUAL, isDone: false, answer, delayMs, retryAfterS });
}

/** What the answer hides, a callback tells after `delay_ms`. */
function hidden(answer: Conduct['answer']): BehaviourKind['conduct'] {
  return ({ delayMs }) => ({ ...USUAL, answer, callbackMs: delayMs });
}

function reasonOf({ code }: BehaviourSettings): { readonly code: string; readonly detail: string } {
  return { code, detail: `The sandbox provider was told to answer ${code}.` };
}
